//! Checks the targets of the links in the rendered documentation. rustdoc only checks that a target exists: a link
//! through a type that all services share can lead to the method of another service, and rustdoc does not check URLs.

#![cfg(test)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

const SERVICES: [&str; 3] = ["chatwork", "lancers", "tascha"];

/// The pages by their paths below the crate's folder.
fn pages() -> BTreeMap<PathBuf, String> {
    let root = std::env::var_os("KAIWA_DOC").expect("KAIWA_DOC is the folder `target/doc/kaiwa`");
    let root = fs::canonicalize(&root).expect("the documentation has been built");
    let (mut pages, mut open) = (BTreeMap::new(), vec![root.clone()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|kind| kind == "html") {
                let below = path.strip_prefix(&root).expect("it is below").to_owned();
                pages.insert(below, fs::read_to_string(&path).expect("a page"));
            }
        }
    }
    assert!(pages.len() > 300, "only {} pages were found", pages.len());
    pages
}

/// The service whose documentation a page belongs to.
fn service(page: &Path) -> Option<&'static str> {
    let first = page.components().next()?.as_os_str().to_str()?;
    SERVICES.into_iter().find(|service| *service == first)
}

/// Page and anchor of each link that stays within the crate.
fn links(page: &Path, html: &str) -> Vec<(PathBuf, String)> {
    let folder = page.parent().expect("it is in a folder");
    let addresses = html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let inner = addresses.filter(|address| !address.contains("://") && !address.starts_with("data:"));
    inner
        .filter_map(|address| {
            let (path, anchor) = address.split_once('#').unwrap_or((address, ""));
            let target = if path.is_empty() { page.to_owned() } else { within(&folder.join(path))? };
            Some((target, anchor.replace("&#60;", "<").replace("&#62;", ">")))
        })
        .collect()
}

/// A path without `..`; `None` if it leaves the folder.
fn within(path: &Path) -> Option<PathBuf> {
    let mut parts = Vec::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.iter().collect())
}

/// For each method of a type that all services share, the page of its `impl`: that of an operation, or of a service.
fn owners(html: &str) -> BTreeMap<&str, &str> {
    let (mut owners, mut owner) = (BTreeMap::new(), "");
    let inherent =
        html.split("id=\"trait-implementations\"").next().expect("the inherent methods come first");
    for section in inherent.split("<section id=\"").skip(1) {
        let (id, rest) = section.split_once('"').expect("an id");
        let head = rest.split("</section>").next().unwrap_or_default();
        if id.starts_with("impl-") {
            let named = head.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
            let of =
                |address: &&str| SERVICES.iter().any(|service| address.starts_with(&format!("{service}/")));
            owner = named.filter(of).last().unwrap_or("");
        } else if id.starts_with("method.") {
            owners.insert(id, owner);
        }
    }
    owners
}

#[test]
fn no_link_of_a_service_leads_to_another() {
    let pages = pages();
    let shared: BTreeMap<&str, _> =
        ["struct.Request.html", "struct.ClientBuilder.html", "struct.Client.html"]
            .into_iter()
            .map(|page| (page, owners(&pages[Path::new(page)])))
            .collect();
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for (page, html) in &pages {
        let Some(own) = service(page) else { continue };
        for (target, anchor) in links(page, html) {
            checked += 1;
            let owner = target.to_str().and_then(|target| shared.get(target)?.get(anchor.as_str()));
            let leads_to = service(&target).or_else(|| service(Path::new(owner?)));
            if leads_to.is_some_and(|service| service != own) {
                wrong.push(format!("{} -> {}#{anchor}", page.display(), target.display()));
            }
        }
    }
    assert!(checked > 10_000, "only {checked} links were checked");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_setter_named_by_a_method_belongs_to_its_request() {
    let pages = pages();
    let owners = owners(&pages[Path::new("struct.Request.html")]);
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for (page, html) in pages.iter().filter(|(page, _)| service(page).is_some()) {
        for (target, anchor) in links(page, html) {
            let name = target.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let is_request = target.parent().is_some_and(|folder| folder.ends_with("requests"));
            let Some(request) = name.strip_prefix("type.").filter(|_| is_request && target != *page) else {
                continue;
            };
            checked += 1;
            let own = format!("struct.{request}");
            let is_setter = |(id, owner): (&&str, &&str)| {
                let plain = id.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('-');
                plain == anchor && (owner.ends_with(&own) || owner.is_empty())
            };
            if !pages.contains_key(&target)
                || (!anchor.is_empty() && !owners.iter().any(|(id, owner)| is_setter((id, owner))))
            {
                wrong.push(format!("{} -> {}#{anchor}", page.display(), target.display()));
            }
        }
    }
    assert!(checked > 100, "only {checked} links were checked");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
