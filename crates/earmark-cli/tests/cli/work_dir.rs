//! A folder of its own for each test, where the command runs without a cache, a token or runs of the user's.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use earmark_audio::{SampleRate, WavFormat, Waveform, write_wav};
use earmark_testkit::{noise, tone};
use serde_json::Value;

/// The smallest HuBERT that has every part, with dropout.
pub(crate) const TINY: &str = r#"{
    "model_type": "hubert", "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 32, "conv_dim": [16, 16, 16, 16], "conv_kernel": [10, 8, 4, 4],
    "conv_stride": [5, 4, 4, 4], "num_feat_extract_layers": 4, "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 4, "classifier_proj_size": 16, "apply_spec_augment": false
}"#;

/// Variables that would change what the command does.
const VARIABLES: &[&str] = &[
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "COLUMNS",
    "EARMARK_COMMAND",
    "EARMARK_DATA",
    "EARMARK_LOG",
    "EARMARK_RUNS",
    "HF_ENDPOINT",
    "HF_HUB_CACHE",
    "HF_TOKEN",
    "HF_TOKEN_PATH",
    "NO_COLOR",
];

/// A folder where the command runs, offline unless it was made by [`WorkDir::online`].
pub(crate) struct WorkDir {
    folder: tempfile::TempDir,
    offline: bool,
}

impl WorkDir {
    /// An empty one.
    pub(crate) fn empty() -> WorkDir {
        WorkDir { folder: tempfile::tempdir().unwrap(), offline: true }
    }

    /// An empty one, whose commands open connections.
    pub(crate) fn online() -> WorkDir {
        WorkDir { offline: false, ..WorkDir::empty() }
    }

    /// With `data/`, twelve clips of three classes, and `tiny.json` for a network from scratch.
    pub(crate) fn with_clips() -> WorkDir {
        let work = WorkDir::empty();
        work.write_data();
        work
    }

    /// Writes what [`WorkDir::with_clips`] has.
    pub(crate) fn write_data(&self) {
        for clip in 0..4u32 {
            let hz = f64::from(clip * 20);
            self.clip(format!("data/bell/{clip}.wav"), tone(1500.0 + hz, 0.2, 16_000));
            self.clip(format!("data/rain/{clip}.wav"), noise(3000, clip.into()));
            self.clip(format!("data/siren/{clip}.wav"), tone(300.0 + hz, 0.25, 16_000));
        }
        self.write("tiny.json", TINY);
    }

    /// Copies a golden model, such as `speech/group`, which classifies bell, rain and siren.
    pub(crate) fn copy_model(&self, golden: &str, name: &str) {
        for file in ["config.json", "preprocessor_config.json", "model.safetensors"] {
            self.write(format!("{name}/{file}"), fs::read(golden_model(golden).join(file)).unwrap());
        }
    }

    /// Copies a golden CLAP model, `fused` or `unfused`, with an extractor for clips of a second.
    pub(crate) fn copy_clap(&self, name: &str) {
        for entry in fs::read_dir(golden_model("clap").join(name)).unwrap() {
            let entry = entry.unwrap();
            self.write(self.path(name).join(entry.file_name()), fs::read(entry.path()).unwrap());
        }
        let (bins, truncation) = if name == "fused" { (5, "fusion") } else { (8, "rand_trunc") };
        let extractor = format!(
            r#"{{"feature_extractor_type": "ClapFeatureExtractor", "feature_size": {bins}, "hop_length": 3200,
                "max_length_s": 1, "truncation": "{truncation}", "sampling_rate": 48000}}"#
        );
        self.write(format!("{name}/preprocessor_config.json"), extractor);
    }

    pub(crate) fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.folder.path().join(name.as_ref())
    }

    /// Writes a file, and the folders that it is in.
    pub(crate) fn write(&self, name: impl AsRef<OsStr>, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Writes a clip of 16-bit samples at 16 kHz.
    pub(crate) fn clip(&self, name: impl AsRef<OsStr>, samples: Vec<f32>) {
        self.clip_at(name, 16_000, samples, WavFormat::Pcm16);
    }

    pub(crate) fn clip_at(&self, name: impl AsRef<OsStr>, hz: u32, samples: Vec<f32>, format: WavFormat) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        write_wav(path, &Waveform::new(samples, SampleRate::new(hz).unwrap()).unwrap(), format).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("`{name}`: {e}"))
    }

    pub(crate) fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.read(name)).unwrap_or_else(|e| panic!("`{name}`: {e}"))
    }

    /// Names in a folder, sorted.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(name)).unwrap_or_else(|e| panic!("`{name}`: {e}"));
        let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    /// Lets a command run here and nowhere else.
    pub(crate) fn prepare(&self, mut command: Command) -> Command {
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command.env("HF_HOME", self.path("cache")).env("EARMARK_CACHE", self.path("features"));
        match self.offline {
            true => command.env("HF_HUB_OFFLINE", "1"),
            false => command.env_remove("HF_HUB_OFFLINE"),
        };
        VARIABLES.iter().for_each(|variable| _ = command.env_remove(variable));
        command
    }

    /// `earmark ARGS`, the arguments separated by blanks.
    pub(crate) fn command(&self, args: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_earmark"));
        command.args(args.split_whitespace());
        self.prepare(command)
    }

    pub(crate) fn run(&self, args: &str) -> Ran {
        Ran::of(&mut self.command(args))
    }

    /// Starts a command that can be read from, waited for and killed.
    pub(crate) fn start(&self, args: &str) -> Child {
        self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

/// What a command left behind.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Runs a command to its end.
    pub(crate) fn of(command: &mut Command) -> Ran {
        Ran::new(command.output().expect("the command starts"))
    }

    /// Waits for a command to end.
    pub(crate) fn end_of(child: Child) -> Ran {
        Ran::new(child.wait_with_output().unwrap())
    }

    pub(crate) fn new(output: Output) -> Ran {
        let text = |bytes| String::from_utf8(bytes).expect("it writes UTF-8");
        Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Checks the exit code, and that each of the words is somewhere on stderr.
    #[track_caller]
    pub(crate) fn says(&self, code: i32, words: &[&str]) -> &Ran {
        assert_eq!(self.code, Some(code), "exit code; stdout:\n{}\nstderr:\n{}", self.out, self.err);
        for word in words {
            assert!(self.err.contains(word), "no `{word}` in stderr:\n{}", self.err);
        }
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self
    }

    #[track_caller]
    pub(crate) fn well(&self) -> &Ran {
        self.says(0, &[])
    }

    /// The rows of `--format jsonl`.
    pub(crate) fn rows(&self) -> Vec<Value> {
        lines(&self.out)
    }
}

/// A JSON value on each line.
pub(crate) fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

/// A model of the goldens.
pub(crate) fn golden_model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(name)
}

/// Sends a signal to a command.
#[cfg(unix)]
pub(crate) fn signal(child: &Child, name: &str) {
    let kill = Command::new("sh").arg("-c").arg(format!("kill -{name} {}", child.id())).status();
    assert!(kill.unwrap().success());
}

/// Waits until something is so, or fails.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut ready: impl FnMut() -> bool) {
    let began = Instant::now();
    while !ready() {
        assert!(began.elapsed() < Duration::from_secs(120), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
