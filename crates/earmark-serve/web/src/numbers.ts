/** Numbers as the command writes them, so that a download is its file byte for byte. */

/** The shortest text of a number that a CSV has: never an exponent. */
export function decimal(value: number): string {
  const text = String(value);
  const [mantissa, exponent] = text.split("e");
  if (mantissa === undefined || exponent === undefined) return text;
  const sign = mantissa.startsWith("-") ? "-" : "";
  const digits = mantissa.replaceAll(/[-.]/g, "");
  const places = Number(exponent);
  return places < 0 ? `${sign}0.${"0".repeat(-places - 1)}${digits}` : `${sign}${digits.padEnd(places + 1, "0")}`;
}

/** A floating-point number of JSON: `5.0`, not `5`. */
export function float(value: number): string {
  return Number.isInteger(value) ? value.toFixed(1) : String(value);
}

/** So many decimal places; what lies in the middle goes to the even digit. */
export function fixed(value: number, places: number): string {
  const exact = value.toFixed(60);
  const end = exact.indexOf(".") + 1 + places;
  const isMiddle = /^50*$/.test(exact.slice(end));
  const isEven = Number(exact[end - 1]) % 2 === 0;
  return isMiddle && isEven ? exact.slice(0, end) : value.toFixed(places);
}

/** A score as it is computed: in single precision. */
export const single = Math.fround;

/** Seconds as 1:02 or 1:02:03. */
export function clock(seconds: number): string {
  const whole = Math.floor(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number: number) => String(number).padStart(2, "0");
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** A score as people read it: 93.1 %, and what is nearly nothing as such. */
export function percent(score: number): string {
  if (score > 0 && score < 0.0005) return "< 0.1 %";
  return `${(100 * score).toFixed(1)} %`;
}

/** 3 windows, 1 window. */
export function counted(count: number, thing: string): string {
  return `${count.toLocaleString("en")} ${thing}${count === 1 ? "" : "s"}`;
}

/** Seconds as 1:02.3. */
export function tenths(seconds: number): string {
  return `${clock(seconds)}.${Math.floor(seconds * 10) % 10}`;
}
