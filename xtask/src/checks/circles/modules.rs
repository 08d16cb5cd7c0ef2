//! Reads the modules of a crate: which files, which names each defines, which it imports, which paths it mentions.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The modules of one crate; the first is its root.
#[derive(Debug, Default)]
pub(crate) struct Crate {
    pub(crate) modules: Vec<Module>,
}

/// A module in a file of its own, or inside another's.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) file: PathBuf,
    pub(crate) parent: Option<usize>,
    pub(crate) children: Vec<(String, usize)>,
    /// What it defines: types, traits, functions, constants, macros.
    pub(crate) items: BTreeSet<String>,
    pub(crate) imports: Vec<Import>,
    /// Every other path of two segments or more that it mentions.
    pub(crate) paths: BTreeSet<Vec<String>>,
    /// Where its own children's files lie.
    folder: PathBuf,
}

/// One leaf of a `use` tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Import {
    /// The name it brings, `*` for all.
    pub(crate) name: String,
    pub(crate) path: Vec<String>,
    /// `pub`, `pub(crate)`, `pub(super)`: others find the name here.
    pub(crate) exported: bool,
}

impl Crate {
    /// The crate whose root file is `root`, with every file that its `mod` lines lead to but those for tests only.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        Self::read_with(root, &|path| fs::read_to_string(path).map_err(Into::into), &|path| path.is_file())
    }

    pub(crate) fn read_with(
        root: &Path,
        text: &dyn Fn(&Path) -> Result<String>,
        exists: &dyn Fn(&Path) -> bool,
    ) -> Result<Self> {
        let mut reader = Reader { modules: Vec::new(), text, exists };
        let folder = root.parent().unwrap_or(Path::new("")).to_path_buf();
        reader.file(root.to_path_buf(), folder, None)?;
        Ok(Self { modules: reader.modules })
    }
}

struct Reader<'a> {
    modules: Vec<Module>,
    text: &'a dyn Fn(&Path) -> Result<String>,
    exists: &'a dyn Fn(&Path) -> bool,
}

impl Reader<'_> {
    fn file(&mut self, file: PathBuf, folder: PathBuf, parent: Option<usize>) -> Result<usize> {
        let text = (self.text)(&file).with_context(|| format!("failed to read `{}`", file.display()))?;
        let tokens: TokenStream =
            text.parse().map_err(|error| anyhow!("`{}` is not Rust: {error}", file.display()))?;
        self.module(file, folder, parent, tokens)
    }

    fn module(
        &mut self,
        file: PathBuf,
        folder: PathBuf,
        parent: Option<usize>,
        tokens: TokenStream,
    ) -> Result<usize> {
        let id = self.modules.len();
        self.modules.push(Module {
            file,
            parent,
            children: Vec::new(),
            items: BTreeSet::new(),
            imports: Vec::new(),
            paths: BTreeSet::new(),
            folder,
        });
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut rest = tokens.as_slice();
        while !rest.is_empty() {
            rest = self.item(id, rest)?;
        }
        Ok(id)
    }

    /// Reads one item of a module, and returns what follows it.
    fn item<'t>(&mut self, id: usize, tokens: &'t [TokenTree]) -> Result<&'t [TokenTree]> {
        let mut at = 0;
        let (mut for_tests, mut path, mut macro_export) = (false, None, false);
        while let Some((attribute, length)) = attribute(&tokens[at..]) {
            let text = attribute.to_string().replace(' ', "");
            for_tests |= text.starts_with("cfg(test") || text.starts_with("cfg(all(test") || text == "test";
            macro_export |= text.starts_with("macro_export");
            path = path.or_else(|| text.strip_prefix("path=").map(|path| path.trim_matches('"').to_owned()));
            self.mentions(id, attribute);
            at += length;
        }
        let head = at;
        let exported = is(tokens.get(at), "pub");
        if exported {
            at += 1;
            if matches!(tokens.get(at), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis)
            {
                at += 1;
            }
        }
        while matches!(name_of(tokens.get(at)).as_deref(), Some("async" | "unsafe" | "default" | "extern"))
            || (is(tokens.get(at), "const") && names_a_function(tokens.get(at + 1)))
            || matches!(tokens.get(at), Some(TokenTree::Literal(_)))
        {
            at += 1;
        }
        let keyword = name_of(tokens.get(at)).unwrap_or_default();
        let to_semicolon = matches!(keyword.as_str(), "use" | "const" | "static" | "type" | "crate");
        let mut end = at;
        while let Some(token) = tokens.get(end) {
            end += 1;
            let braces = matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
                && !to_semicolon;
            if braces || matches!(token, TokenTree::Punct(punct) if punct.as_char() == ';') {
                break;
            }
        }
        let (item, rest) = tokens.split_at(end.max(head + 1).min(tokens.len()));
        // Tests may look anywhere, as a crate's dev-dependencies may.
        if for_tests {
            return Ok(rest);
        }
        let named = name_of(item.get(at + 1)).unwrap_or_default();
        match keyword.as_str() {
            "use" => self.modules[id].imports.extend(imports(&item[at + 1..], exported)),
            "mod" => self.child(id, &named, path, &item[at + 2..])?,
            "struct" | "enum" | "union" | "trait" | "fn" | "const" | "static" | "type" => {
                self.modules[id].items.insert(named);
                self.mentions(id, item[at + 1..].iter().cloned().collect());
            }
            "macro_rules" => {
                let named = name_of(item.get(at + 2)).unwrap_or_default();
                if macro_export && id != 0 {
                    let path = vec!["crate".to_owned()];
                    let path = path.into_iter().chain(self.path_of(id)).chain([named.clone()]).collect();
                    self.modules[0].imports.push(Import { name: named.clone(), path, exported: true });
                }
                self.modules[id].items.insert(named);
                self.mentions(id, item[at + 1..].iter().cloned().collect());
            }
            _ => self.mentions(id, item[head.min(item.len())..].iter().cloned().collect()),
        }
        Ok(rest)
    }

    /// The names from the root to module `id`.
    fn path_of(&self, id: usize) -> Vec<String> {
        let Some(parent) = self.modules[id].parent else { return Vec::new() };
        let name = self.modules[parent]
            .children
            .iter()
            .find(|(_, child)| *child == id)
            .map(|(name, _)| name.clone());
        self.path_of(parent).into_iter().chain(name).collect()
    }

    fn child(&mut self, id: usize, name: &str, path: Option<String>, body: &[TokenTree]) -> Result<()> {
        let folder = self.modules[id].folder.clone();
        let number = self.modules.len();
        // Known before it is read: a macro inside asks for its own path.
        self.modules[id].children.push((name.to_owned(), number));
        if let Some(TokenTree::Group(body)) = body.first() {
            let file = self.modules[id].file.clone();
            self.module(file, folder.join(name), Some(id), body.stream())?;
            return Ok(());
        }
        let beside = folder.join(format!("{name}.rs"));
        let (file, below) = match path {
            Some(path) => {
                let file = self.modules[id].file.parent().unwrap_or(Path::new("")).join(path);
                let below = file.parent().unwrap_or(Path::new("")).to_path_buf();
                (file, below)
            }
            None if (self.exists)(&beside) => (beside, folder.join(name)),
            None => (folder.join(name).join("mod.rs"), folder.join(name)),
        };
        if !(self.exists)(&file) {
            bail!(
                "`{}` has `mod {name};` and there is no `{}`",
                self.modules[id].file.display(),
                file.display()
            );
        }
        self.file(file, below, Some(id))?;
        Ok(())
    }

    /// Collects the paths of an expression, a signature, a macro's body: whatever is no item of the module itself. A `use`
    /// inside a function counts as the module's.
    fn mentions(&mut self, id: usize, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Group(group) => self.mentions(id, group.stream()),
                TokenTree::Ident(ident) if ident == "use" && name_of(tokens.get(at + 1)).is_some() => {
                    let length = tokens[at..].iter().take_while(|token| !is_punct(Some(token), ';')).count();
                    self.modules[id].imports.extend(imports(&tokens[at + 1..at + length], false));
                    at += length;
                    continue;
                }
                TokenTree::Ident(_) => {
                    let (path, length) = path(&tokens[at..]);
                    // After `.` it is a method or a field, after `::` the tail of a path through a generic or of another crate.
                    let before = |count: usize| at.checked_sub(count).and_then(|at| tokens.get(at));
                    let twice = |sign| is_punct(before(1), sign) && is_punct(before(2), sign);
                    let tail = (is_punct(before(1), '.') && !twice('.')) || twice(':');
                    if path.len() > 1 && !tail {
                        self.modules[id].paths.insert(path);
                    }
                    at += length;
                    continue;
                }
                TokenTree::Literal(literal) => {
                    // `#[serde(with = "crate::path")]`
                    let text = literal.to_string();
                    let path: Vec<&str> = text.trim_matches('"').split("::").collect();
                    let name = |part: &str| {
                        !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_')
                    };
                    if path[0] == "crate" && path.iter().all(|part| name(part)) {
                        self.modules[id].paths.insert(path.into_iter().map(str::to_owned).collect());
                    }
                }
                TokenTree::Punct(_) => {}
            }
            at += 1;
        }
    }
}

/// What stands between the brackets of a leading attribute, and how many tokens the attribute takes.
fn attribute(tokens: &[TokenTree]) -> Option<(TokenStream, usize)> {
    let inner = usize::from(is_punct(tokens.get(1), '!'));
    match (tokens.first(), tokens.get(1 + inner)) {
        (Some(TokenTree::Punct(hash)), Some(TokenTree::Group(group)))
            if hash.as_char() == '#' && group.delimiter() == Delimiter::Bracket =>
        {
            Some((group.stream(), 2 + inner))
        }
        _ => None,
    }
}

/// The path that begins here, and how many tokens it takes.
fn path(tokens: &[TokenTree]) -> (Vec<String>, usize) {
    let mut path: Vec<String> = name_of(tokens.first()).into_iter().collect();
    let mut at = 1;
    while is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':') {
        let Some(name) = name_of(tokens.get(at + 2)) else { break };
        path.push(name);
        at += 3;
    }
    (path, at)
}

/// The leaves of a `use` tree; those of other crates, written `::name`, are none of ours.
pub(crate) fn imports(tokens: &[TokenTree], exported: bool) -> Vec<Import> {
    if is_punct(tokens.first(), ':') {
        return Vec::new();
    }
    let mut found = Vec::new();
    leaves(tokens, &[], exported, &mut found);
    found
}

fn leaves(tokens: &[TokenTree], before: &[String], exported: bool, found: &mut Vec<Import>) {
    for branch in tokens.split(|token| is_punct(Some(token), ',')) {
        let mut path = before.to_vec();
        let mut at = 0;
        while let Some(token) = branch.get(at) {
            match token {
                TokenTree::Ident(ident) if ident == "as" => break,
                TokenTree::Ident(ident) => path.push(plain(&ident.to_string())),
                TokenTree::Group(group) => {
                    let inside: Vec<TokenTree> = group.stream().into_iter().collect();
                    leaves(&inside, &path, exported, found);
                    path.clear();
                    break;
                }
                TokenTree::Punct(punct) if punct.as_char() == '*' => {
                    found.push(Import { name: "*".to_owned(), path: std::mem::take(&mut path), exported });
                    break;
                }
                _ => {}
            }
            at += 1;
        }
        // `use a::{self}` brings `a`.
        if path.len() > before.len() && path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let Some(last) = path.last() else { continue };
        let alias = if is(branch.get(at), "as") { name_of(branch.get(at + 1)) } else { None };
        found.push(Import { name: alias.unwrap_or_else(|| last.clone()), path, exported });
    }
}

fn names_a_function(token: Option<&TokenTree>) -> bool {
    matches!(name_of(token).as_deref(), Some("fn" | "async" | "unsafe" | "extern"))
}

fn is(token: Option<&TokenTree>, word: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(ident)) if ident == word)
}

fn is_punct(token: Option<&TokenTree>, sign: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == sign)
}

fn name_of(token: Option<&TokenTree>) -> Option<String> {
    match token {
        Some(TokenTree::Ident(ident)) => Some(plain(&ident.to_string())),
        _ => None,
    }
}

/// Without the `r#` of a raw identifier.
fn plain(name: &str) -> String {
    name.strip_prefix("r#").unwrap_or(name).to_owned()
}
