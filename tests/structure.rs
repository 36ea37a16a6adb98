//! How the files of `src` depend on each other: downwards, and never in a circle.

use quote::ToTokens;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use syn::visit_mut::{self, VisitMut};

/// What the test leaves out: the generator, which `build.rs` includes.
const ELSEWHERE: &[&str] = &["codegen"];

/// Modules that no other module uses.
const LEAVES: &[&str] = &["sandbox", "guide"];

type Names = Vec<String>;

/// A module: where it is written, what it defines, what it imports, and which paths it names.
#[derive(Default)]
struct Module {
    file: String,
    items: BTreeSet<String>,
    /// Names that `use` brings in, with the paths that they stand for, and whether they are for the module itself.
    imports: BTreeMap<String, (Names, bool)>,
    globs: Vec<Names>,
    paths: BTreeSet<Names>,
}

/// The modules of the crate, by their paths.
#[derive(Default)]
struct House(BTreeMap<Names, Module>);

impl House {
    fn read() -> Self {
        let mut house = Self::default();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        house.read_file(&root, &root.join("lib.rs"), Vec::new());
        house
    }

    fn read_file(&mut self, root: &Path, path: &Path, module: Names) {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let file = path.strip_prefix(root).expect("below src").to_str().expect("a plain name").to_owned();
        self.read_items(root, path, &file, module, parsed.items);
    }

    fn read_items(&mut self, root: &Path, path: &Path, file: &str, module: Names, items: Vec<syn::Item>) {
        let mut read = Module { file: file.to_owned(), ..Module::default() };
        for mut item in items {
            if is_test(&item) {
                continue;
            }
            match item {
                syn::Item::Mod(inner) => {
                    let name = inner.ident.to_string();
                    if ELSEWHERE.contains(&name.as_str()) {
                        continue;
                    }
                    let below = [&module[..], std::slice::from_ref(&name)].concat();
                    match inner.content {
                        Some((_, items)) => self.read_items(root, path, file, below, items),
                        None => self.read_file(root, &module_file(path, &name), below),
                    }
                }
                syn::Item::Use(used) => {
                    // A name that is handed on is no dependency: who uses it depends on where it is written.
                    let own = matches!(used.vis, syn::Visibility::Inherited);
                    read.import(&used.tree, Vec::new(), own);
                }
                _ => {
                    read.items.extend(name_of(&item));
                    Paths(&mut read.paths).visit_item_mut(&mut item);
                }
            }
        }
        self.0.insert(module, read);
    }

    /// The file that an item is written in, by a path as it stands in `module`.
    fn file_of(&self, module: &[String], path: &[String], depth: usize) -> Option<&str> {
        if depth > 20 {
            return None;
        }
        let (mut at, rest) = match path.first().map(String::as_str)? {
            "crate" => (Vec::new(), &path[1..]),
            "self" => (module.to_vec(), &path[1..]),
            "super" => {
                let ups = path.iter().take_while(|part| *part == "super").count();
                (module[..module.len().checked_sub(ups)?].to_vec(), &path[ups..])
            }
            _ => (module.to_vec(), path),
        };
        let mut rest = rest.iter();
        while let Some(name) = rest.next() {
            let below = [&at[..], std::slice::from_ref(name)].concat();
            if self.0.contains_key(&below) {
                at = below;
                continue;
            }
            let here = self.0.get(&at)?;
            if here.items.contains(name) {
                return Some(&here.file);
            }
            let after: Names = rest.cloned().collect();
            if let Some((target, _)) = here.imports.get(name) {
                return self.file_of(&at, &[&target[..], &after].concat(), depth + 1);
            }
            let whole = [&[name.clone()][..], &after].concat();
            let through = |glob: &Names| self.file_of(&at, &[&glob[..], &whole].concat(), depth + 1);
            return here.globs.iter().find_map(through);
        }
        Some(&self.0.get(&at)?.file)
    }

    /// For each file the files that it names.
    fn edges(&self) -> BTreeMap<&str, BTreeMap<&str, String>> {
        let mut edges: BTreeMap<&str, BTreeMap<&str, String>> = BTreeMap::new();
        for (name, module) in &self.0 {
            let from = edges.entry(&module.file).or_default();
            for path in module.paths.iter().chain(module.imported()) {
                if let Some(to) = self.file_of(name, path, 0).filter(|to| *to != module.file) {
                    from.entry(to).or_insert_with(|| path.join("::"));
                }
            }
        }
        edges
    }
}

fn module_file(parent: &Path, name: &str) -> PathBuf {
    let stem = parent.file_stem().and_then(|stem| stem.to_str()).expect("a plain name");
    let folder = parent.parent().expect("it is in a folder");
    let folder = if matches!(stem, "lib" | "mod") { folder.to_owned() } else { folder.join(stem) };
    let alone = folder.join(format!("{name}.rs"));
    if alone.exists() { alone } else { folder.join(name).join("mod.rs") }
}

fn is_test(item: &syn::Item) -> bool {
    let attributes = match item {
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        _ => return false,
    };
    attributes.iter().any(|attribute| {
        let text = attribute.to_token_stream().to_string().replace(' ', "");
        text == "#[cfg(test)]" || text == "#[cfg(doctest)]"
    })
}

fn name_of(item: &syn::Item) -> Option<String> {
    let ident = match item {
        syn::Item::Const(item) => &item.ident,
        syn::Item::Enum(item) => &item.ident,
        syn::Item::Fn(item) => &item.sig.ident,
        syn::Item::Static(item) => &item.ident,
        syn::Item::Struct(item) => &item.ident,
        syn::Item::Trait(item) => &item.ident,
        syn::Item::Type(item) => &item.ident,
        syn::Item::Macro(item) => item.ident.as_ref()?,
        _ => return None,
    };
    Some(ident.to_string())
}

impl Module {
    fn imported(&self) -> impl Iterator<Item = &Names> {
        self.imports.values().filter(|(_, own)| *own).map(|(path, _)| path)
    }

    fn import(&mut self, tree: &syn::UseTree, mut path: Names, own: bool) {
        match tree {
            syn::UseTree::Path(step) => {
                path.push(step.ident.to_string());
                self.import(&step.tree, path, own);
            }
            syn::UseTree::Name(name) if name.ident == "self" => {
                let last = path.last().expect("`self` stands behind a path").clone();
                self.imports.insert(last, (path, own));
            }
            syn::UseTree::Name(name) => {
                path.push(name.ident.to_string());
                self.imports.insert(name.ident.to_string(), (path, own));
            }
            syn::UseTree::Rename(name) => {
                if name.ident != "self" {
                    path.push(name.ident.to_string());
                }
                self.imports.insert(name.rename.to_string(), (path, own));
            }
            syn::UseTree::Glob(_) => self.globs.push(path),
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.import(tree, path.clone(), own));
            }
        }
    }
}

/// Collects the paths of an item, those in the arguments of macros too.
struct Paths<'a>(&'a mut BTreeSet<Names>);

impl VisitMut for Paths<'_> {
    fn visit_path_mut(&mut self, path: &mut syn::Path) {
        if path.leading_colon.is_none() {
            self.0.insert(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        }
        visit_mut::visit_path_mut(self, path);
    }

    fn visit_macro_mut(&mut self, called: &mut syn::Macro) {
        self.read(called.tokens.clone());
        visit_mut::visit_macro_mut(self, called);
    }

    fn visit_item_use_mut(&mut self, used: &mut syn::ItemUse) {
        let mut inner = Module::default();
        inner.import(&used.tree, Vec::new(), true);
        self.0.extend(inner.imports.into_values().map(|(path, _)| path));
    }

    fn visit_visibility_mut(&mut self, _: &mut syn::Visibility) {}

    fn visit_item_mod_mut(&mut self, _: &mut syn::ItemMod) {}
}

impl Paths<'_> {
    fn read(&mut self, tokens: proc_macro2::TokenStream) {
        let mut path = Names::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                proc_macro2::TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.0.insert(std::mem::take(&mut path));
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                proc_macro2::TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                proc_macro2::TokenTree::Group(group) => {
                    self.0.insert(std::mem::take(&mut path));
                    self.read(group.stream());
                }
                _ => {
                    self.0.insert(std::mem::take(&mut path));
                    colons = 0;
                }
            }
        }
        self.0.insert(path);
        self.0.remove(&Names::new());
    }
}

/// The files that can be reached from `from`.
fn reached<'a>(edges: &BTreeMap<&'a str, BTreeMap<&'a str, String>>, from: &'a str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open = vec![from];
    while let Some(file) = open.pop() {
        open.extend(edges.get(file).into_iter().flat_map(BTreeMap::keys).filter(|to| found.insert(**to)));
    }
    found
}

#[test]
fn no_file_depends_on_itself() {
    let house = House::read();
    let edges = house.edges();
    let all: BTreeMap<_, _> = edges.keys().map(|file| (*file, reached(&edges, file))).collect();
    let mut seen = BTreeSet::new();
    let mut circles = Vec::new();
    for (file, reach) in &all {
        if reach.contains(file) && !seen.contains(file) {
            let circle: Vec<&str> = reach
                .iter()
                .copied()
                .filter(|other| all.get(other).is_some_and(|back| back.contains(file)))
                .collect();
            seen.extend(circle.iter().copied());
            let mut lines = vec![format!("circle of {}", circle.len())];
            for from in &circle {
                for (to, path) in &edges[from] {
                    if circle.contains(to) {
                        lines.push(format!("  {from} -> {to} ({path})"));
                    }
                }
            }
            circles.push(lines.join("\n"));
        }
    }
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

#[test]
fn nothing_depends_on_a_leaf() {
    let house = House::read();
    let in_leaf = |file: &str, leaf: &str| {
        file.strip_prefix(leaf).is_some_and(|rest| rest.starts_with('/') || rest == ".rs")
    };
    let mut wrong = Vec::new();
    for (from, used) in house.edges() {
        for leaf in LEAVES.iter().filter(|leaf| !in_leaf(from, leaf)) {
            let used = used.iter().filter(|(to, _)| in_leaf(to, leaf));
            wrong.extend(used.map(|(to, path)| format!("{from} -> {to} ({path})")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let reads_them = LEAVES.iter().all(|leaf| house.0.values().any(|module| in_leaf(&module.file, leaf)));
    assert!(reads_them, "a leaf is not there any more");
}
