//! How the files of `src` depend on each other: downwards, and never in a circle.

use quote::ToTokens;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use syn::visit_mut::{self, VisitMut};

/// What the test leaves out: the generator, which `build.rs` includes.
const ELSEWHERE: &[&str] = &["codegen"];

/// The floors of the house, and their modules from the lowest up: a module uses only those that stand before it.
/// `src/guide/internals.md` has the same table.
const FLOORS: [(&str, &[&str]); 6] = [
    (
        "ground",
        &[
            "digest",
            "text",
            "private_file",
            "clock",
            "store_error",
            "operation",
            "limits",
            "progress",
            "proxy",
            "input",
            "wire",
            "call",
            "error",
            "event",
            "profile",
            "upload",
            "sqlite",
        ],
    ),
    ("the call", &["response", "transport", "client", "request", "raw", "builder"]),
    ("on top of calls", &["page", "webhook", "oauth", "reconcile", "handler"]),
    ("services", &["generated", "chatwork", "tascha", "lancers"]),
    ("on top of services", &["outbox", "bot"]),
    ("leaves", &["store", "sandbox", "guide"]),
];

/// An error names the call that it is about, and an answer that did not come names the reason.
const TOGETHER: [&str; 2] = ["call", "error"];

type Names = Vec<String>;

/// A module: where it is written, what it defines, what it imports, and which paths it names.
#[derive(Default)]
struct Module {
    file: String,
    items: BTreeSet<String>,
    /// Names that `use` brings in, with the paths that they stand for, and whether they are for the module itself.
    imports: BTreeMap<String, (Names, bool)>,
    /// Modules whose names `use` brings in, and whether for the module itself.
    globs: Vec<(Names, bool)>,
    paths: BTreeSet<Names>,
}

/// The modules of the crate, by their paths.
#[derive(Default)]
struct House(BTreeMap<Names, Module>);

impl House {
    fn read() -> &'static Self {
        static HOUSE: LazyLock<House> = LazyLock::new(House::read_all);
        &HOUSE
    }

    fn read_all() -> Self {
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
        let (mut at, rest) = start(module, path)?;
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
            return here.globs.iter().map(|(glob, _)| glob).find_map(through);
        }
        Some(&self.0.get(&at)?.file)
    }

    /// Whether a module names the top-level module `leaf`, by any path.
    fn names(&self, module: &Names, leaf: &str) -> bool {
        let Module { paths, imports, globs, .. } = &self.0[module];
        let all = paths
            .iter()
            .chain(imports.values().map(|(path, _)| path))
            .chain(globs.iter().map(|(glob, _)| glob));
        all.filter_map(|path| start(module, path))
            .any(|(at, rest)| at.iter().chain(rest).next().is_some_and(|first| first == leaf))
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

/// The module at which a path in `module` begins, and the rest of the path.
fn start<'a>(module: &[String], path: &'a [String]) -> Option<(Names, &'a [String])> {
    Some(match path.first().map(String::as_str)? {
        "crate" => (Vec::new(), &path[1..]),
        "self" => (module.to_vec(), &path[1..]),
        "super" => {
            let ups = path.iter().take_while(|part| *part == "super").count();
            (module[..module.len().checked_sub(ups)?].to_vec(), &path[ups..])
        }
        _ => (module.to_vec(), path),
    })
}

/// The top-level module that a file belongs to.
fn top(file: &str) -> &str {
    file.split('/').next().and_then(|first| first.split('.').next()).expect("a name")
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
        let own = self.imports.values().chain(&self.globs).filter(|(_, own)| *own);
        own.map(|(path, _)| path)
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
            syn::UseTree::Glob(_) => self.globs.push((path, own)),
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
fn every_module_stands_on_a_floor() {
    let house = House::read();
    let mut modules: BTreeSet<&str> =
        house.0.keys().filter(|name| name.len() == 1).map(|name| name[0].as_str()).collect();
    modules.extend(ELSEWHERE);
    // Only `build.rs` has it.
    modules.remove("codegen");
    let floors: BTreeSet<&str> = FLOORS.iter().flat_map(|(_, modules)| *modules).copied().collect();
    assert_eq!(modules, floors);

    let page = include_str!("../src/guide/internals.md");
    for (floor, modules) in FLOORS {
        let row = page.lines().find(|line| line.starts_with(&format!("| {floor} |")));
        let row = row.unwrap_or_else(|| panic!("internals.md has no row of the floor `{floor}`"));
        let written: Vec<&str> =
            row.split('|').nth(2).expect("modules").split('`').skip(1).step_by(2).collect();
        assert_eq!(written, modules, "the floor `{floor}` in internals.md");
    }
}

#[test]
fn a_module_uses_only_what_stands_below_it() {
    let house = House::read();
    let all: Vec<&str> = FLOORS.iter().flat_map(|(_, modules)| *modules).copied().collect();
    let services = FLOORS[3].1;
    let place = |module: &str| all.iter().position(|other| *other == module);
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (from, files) in house.edges() {
        for (to, path) in files {
            let (above, below) = (top(from), top(to));
            // The front page shows all of it, and defines nothing.
            if above == below || above == "lib" {
                continue;
            }
            seen += 1;
            let together = TOGETHER.contains(&above) && TOGETHER.contains(&below);
            let siblings = services[1..].contains(&above) && services[1..].contains(&below);
            if place(below) >= place(above) && !together || siblings {
                wrong.push(format!("{from} uses {to} ({path})"));
            }
        }
    }
    assert!(seen > 200, "{seen} uses were found");
    assert!(wrong.is_empty(), "upwards, or across:\n{}", wrong.join("\n"));
}

#[test]
fn nothing_uses_the_leaves() {
    let house = House::read();
    for leaf in FLOORS[5].1 {
        let users: Vec<&str> = house
            .0
            .iter()
            .filter(|(name, _)| name.first().is_some_and(|first| first != leaf))
            .filter(|(name, _)| house.names(name, leaf))
            .map(|(_, module)| module.file.as_str())
            .collect();
        assert!(users.is_empty(), "{leaf} is used by {users:?}");
    }
}

/// The walk of a post as `internals.md` has it.
#[test]
fn a_post_passes_six_files_in_one_direction() {
    let page = include_str!("../src/guide/internals.md");
    let (_, walk) = page.split_once("## A post:").expect("the walk of a post");
    let (walk, _) = walk.split_once("\n## ").expect("the next walk");
    let steps = walk.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_digit()));
    let files: Vec<&str> = steps.map(|step| step.split('`').nth(1).expect("a file")).collect();
    assert_eq!(files.len(), 6, "{files:?}");

    let house = House::read();
    let edges = house.edges();
    for (at, file) in files.iter().enumerate() {
        let (before, _) = files.split_at(at);
        let back = reached(&edges, file);
        assert!(before.iter().all(|earlier| !back.contains(earlier)), "{file} goes back");
        let named = before.iter().any(|earlier| reached(&edges, earlier).contains(file));
        assert!(named || at == 0, "{file} is reached from none of {before:?}");
    }

    let (_, types) = walk.split_once("types that pass between them:").expect("the types");
    let types: Vec<&str> =
        types.split("\n\n").next().expect("a paragraph").split('`').skip(1).step_by(2).collect();
    let (types, _) = types.split_at(8);
    for name in types {
        let is_defined = |module: &Module| module.items.contains(*name);
        assert!(*name == "PostMessage" || house.0.values().any(is_defined), "{name} is no type");
    }
}
