//! A page that needs nothing but itself: no script, no font, no network, which its policy makes certain.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

/// A page with this title and body. Only its own style sheet, by its hash, and sounds within it are let through.
pub(crate) fn page(title: &str, body: &Markup) -> String {
    let style = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; media-src data:; base-uri 'none'; form-action 'none'"
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { main { (body) } }
        }
    };
    page.into_string()
}

/// A figure, which is scrolled where it is wider than the page. `name` tells those who do not see it what is scrolled.
pub(crate) fn figure(name: &str, svg: &str) -> Markup {
    html! { div.scroll.figure tabindex="0" role="region" aria-label=(name) { (PreEscaped(svg)) } }
}

/// A row of a table: whether it is marked, and its cells. The first is what the row is about.
pub(crate) type Row<const N: usize> = (bool, [Markup; N]);

/// A table, which is scrolled where it is wider than the page.
pub(crate) fn table<const N: usize>(
    name: &str,
    head: [&str; N],
    rows: impl IntoIterator<Item = Row<N>>,
) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(name) {
            table {
                thead { tr { @for name in head { th scope="col" { (name) } } } }
                tbody {
                    @for (marked, cells) in rows {
                        tr class=[marked.then_some("best")] { @for cell in cells { td { (cell) } } }
                    }
                }
            }
        }
    }
}

/// Text as the cell of a table.
pub(crate) fn cell(text: impl AsRef<str>) -> Markup {
    html! { (text.as_ref()) }
}

pub(crate) fn decimals(value: f64) -> String {
    format!("{value:.4}")
}

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1f2328; --faint: #59636e; --page: #ffffff; --line: #d1d9e0; --best: #ddf4ff;
  --box: #f6f8fa; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --faint: #9198a1; --page: #0d1117; --line: #3d444d; --best: #12304d; --box: #151b23; }
}
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: var(--page); font: 1rem/1.5 system-ui, sans-serif; }
main { max-width: 54rem; margin: 2rem auto; padding: 0 1rem; }
h1 { line-height: 1.25; overflow-wrap: anywhere; }
h2 { margin: 2.75rem 0 0.75rem; font-size: 1.25rem; }
h3 { margin: 0 0 0.25rem; font-size: 1rem; }
p { overflow-wrap: anywhere; }
.score strong { font-size: 1.6rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.2rem 1rem; }
dt { color: var(--faint); }
dd { margin: 0; overflow-wrap: anywhere; }
.note { font-size: 0.875rem; color: var(--faint); }
.scroll { overflow-x: auto; }
.scroll:focus-visible { outline: 2px solid; outline-offset: 2px; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20.5rem, 100%), 1fr)); gap: 1.5rem; }
.numbers { grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: 0.75rem; }
.numbers > div { padding: 0.6rem 0.8rem; background: var(--box); border: 1px solid var(--line); border-radius: 0.5rem; }
.numbers dd { font-size: 1.35rem; font-weight: 600; line-height: 1.3; font-variant-numeric: tabular-nums; }
.numbers .note { font-size: 0.8rem; font-weight: 400; line-height: 1.35; }
pre { margin: 0; padding: 0.6rem 0.8rem; background: var(--box); border: 1px solid var(--line); border-radius: 0.5rem;
  font: 0.875rem/1.5 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.3rem 0.7rem; border-bottom: 1px solid var(--line); text-align: left; }
th { vertical-align: bottom; }
td:first-child { min-width: 7rem; overflow-wrap: anywhere; }
tr:has(.bar) td:not(:first-child) { white-space: nowrap; }
tr.best { background: var(--best); }
.clips { padding: 0; list-style: none; display: grid;
  grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr)); gap: 0.75rem; }
.clips li { padding: 0.6rem 0.8rem; border: 1px solid var(--line); border-radius: 0.5rem; overflow-wrap: anywhere; }
.clips p { margin: 0.15rem 0; }
.clips audio { display: block; width: 100%; height: 2.5rem; margin-top: 0.4rem; }
svg { display: block; color: var(--ink); }
svg .paper { display: none; }
@media print {
  :root { --ink: #000; --faint: #444; --page: #fff; --line: #bbb; --best: #eee; --box: #fff; }
  main { max-width: none; margin: 0; }
  .scroll { overflow: visible; }
  audio { display: none !important; }
  tr, li, .figure { break-inside: avoid; }
  h2 { break-after: avoid; }
}
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_lets_the_style_sheet_through_and_no_network() {
        let page = page("a title", &html! { p { "text" } });
        let policy =
            page.split("Content-Security-Policy\" content=\"").nth(1).unwrap().split('"').next().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(!policy.contains("http") && !policy.contains("unsafe"), "{policy}");
        // A browser hashes what stands between the tags.
        let style = page.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
        assert!(policy.contains(&STANDARD.encode(Sha256::digest(style))));
    }
}
