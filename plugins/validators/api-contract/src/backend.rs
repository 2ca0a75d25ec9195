//! The routes of the back end against the contract.

use std::collections::{BTreeMap, BTreeSet};

use gencode_plugin_sdk::types::{File, Finding};

use crate::{
    CONTRACT_FILE, at,
    contract::{Contract, Operation},
    path::Path,
    python::{Module, Router, Text},
};

/// Where the routers of a generated application are.
const ROUTERS: &str = "backend/app/routers";

/// Judges the back end, if there is one.
pub(crate) fn check(files: &[File], contract: &Contract, findings: &mut Vec<Finding>) {
    let modules: Vec<Module<'_>> = files
        .iter()
        .filter(|file| file.path.starts_with("backend/app/"))
        .filter_map(Module::read)
        .collect();
    let is_router = |module: &Module<'_>| module.key.starts_with(&format!("{ROUTERS}/"));
    if !modules.iter().any(|module| is_router(module) && !module.routes.is_empty()) {
        return;
    }
    let places = Places::of(&modules);
    let mut offered: Vec<Operation> = Vec::new();
    // Whether there may be routes whose path cannot be read off the source.
    let mut open = false;
    for module in &modules {
        for route in &module.routes {
            let prefixes = places.of_router(module, &route.router);
            let (Some(path), Some(prefixes)) = (&route.path, prefixes) else {
                open = true;
                continue;
            };
            for prefix in prefixes {
                let path = Path::new(&format!("{prefix}{path}"));
                if !path.is_below("api") {
                    continue;
                }
                for &method in &route.methods {
                    let operation = Operation { method, path: path.clone() };
                    if !is_in_contract(contract, &operation) {
                        let message =
                            format!("`{} {path}` is not in the contract", method.to_uppercase());
                        findings.push(
                            at(module.file, route.offset, "api.unknown-route", message).with_hint(
                                "Use a path and method of the contract, or remove the route.",
                            ),
                        );
                    }
                    offered.push(operation);
                }
            }
        }
    }
    if open {
        return;
    }
    for operation in &contract.operations {
        let found =
            offered.iter().any(|o| o.method == operation.method && o.path.is_same(&operation.path));
        if !found {
            let Operation { method, path } = operation;
            let message =
                format!("`{} {path}` of the contract has no route", method.to_uppercase());
            findings.push(
                Finding::error("api.missing-route", &home(path, files), 0, 0, message)
                    .with_hint("Write the route."),
            );
        }
    }
}

fn is_in_contract(contract: &Contract, operation: &Operation) -> bool {
    contract
        .operations
        .iter()
        .any(|known| known.method == operation.method && known.path.is_same(&operation.path))
}

/// The file in which a missing route belongs.
fn home(path: &Path, files: &[File]) -> String {
    let name = path.text(1).unwrap_or_default().replace('-', "_");
    let home = format!("{ROUTERS}/{name}.py");
    let main = "backend/app/main.py".to_owned();
    if name == "health" && files.iter().any(|file| file.path == main) {
        main
    } else if name.is_empty() {
        CONTRACT_FILE.to_owned()
    } else {
        home
    }
}

/// A router: its module and the name of its variable.
type Key = (String, String);

/// Under which prefixes every router is reached.
struct Places(BTreeMap<Key, Option<BTreeSet<String>>>);

impl Places {
    fn of(modules: &[Module<'_>]) -> Self {
        let mut places = Self(BTreeMap::new());
        for module in modules {
            for (name, router) in &module.routers {
                if router.is_application {
                    places.reach(modules, module, name, Some(String::new()), 0);
                }
            }
        }
        places.adopt(modules);
        places
    }

    /// The prefixes of a router with its own; none when one of them is not known.
    fn of_router(&self, module: &Module<'_>, name: &str) -> Option<Vec<String>> {
        let key = (module.key.clone(), name.to_owned());
        Some(self.0.get(&key)?.as_ref()?.iter().cloned().collect())
    }

    /// Notes that a router is reached, and with it everything that is included in it.
    fn reach(
        &mut self,
        modules: &[Module<'_>],
        module: &Module<'_>,
        name: &str,
        before: Text,
        depth: u8,
    ) {
        let Some(router) = module.routers.get(name) else { return };
        // Routers that include each other would never end.
        if depth > 8 {
            return;
        }
        let place = join(before, router);
        self.note((module.key.clone(), name.to_owned()), place.clone());
        for mount in module.mounts.iter().filter(|mount| mount.into == name) {
            let below =
                place.clone().zip(mount.prefix.clone()).map(|(place, prefix)| place + &prefix);
            let found = mount.what.as_deref().and_then(|what| resolve(modules, module, what));
            if let Some((module, name)) = found {
                self.reach(modules, module, &name, below, depth + 1);
            }
        }
    }

    fn note(&mut self, key: Key, place: Text) {
        let known = self.0.entry(key).or_insert_with(|| Some(BTreeSet::new()));
        match (known.as_mut(), place) {
            (Some(places), Some(place)) => {
                places.insert(place);
            }
            _ => *known = None,
        }
    }

    /// Routers that nothing includes yet: the registry of routers is written by a later step, so
    /// they count as included where the registry is, else under `/api`.
    fn adopt(&mut self, modules: &[Module<'_>]) {
        let registry: Option<BTreeSet<String>> = modules
            .iter()
            .filter(|module| module.key == ROUTERS)
            .flat_map(|module| module.routers.keys().map(|name| (module.key.clone(), name.clone())))
            .filter_map(|key| self.0.get(&key)?.clone())
            .reduce(|mut all, more| {
                all.extend(more);
                all
            });
        for module in modules {
            for (name, router) in &module.routers {
                let key = (module.key.clone(), name.clone());
                if self.0.contains_key(&key) {
                    continue;
                }
                let own = router.prefix.clone().unwrap_or_default();
                let default = if own.starts_with("/api") { "" } else { "/api" };
                let places =
                    registry.clone().unwrap_or_else(|| BTreeSet::from([default.to_owned()]));
                for place in places {
                    self.note(key.clone(), join(Some(place), router));
                }
            }
        }
    }
}

fn join(before: Text, router: &Router) -> Text {
    Some(before? + router.prefix.as_ref()?)
}

/// The router that a dotted name means in a module.
fn resolve<'m, 'a>(
    modules: &'m [Module<'a>],
    module: &'m Module<'a>,
    name: &str,
) -> Option<(&'m Module<'a>, String)> {
    if module.routers.contains_key(name) {
        return Some((module, name.to_owned()));
    }
    let (first, rest) = name.split_once('.').unwrap_or((name, ""));
    let target = module.imports.get(first)?;
    let (key, variable) =
        if rest.is_empty() { target.rsplit_once('/')? } else { (target.as_str(), rest) };
    let module = modules.iter().find(|module| module.key == key)?;
    if module.routers.contains_key(variable) {
        return Some((module, variable.to_owned()));
    }
    // A package may hand on what it imported itself.
    let handed_on = module.imports.get(variable)?;
    let (key, variable) = handed_on.rsplit_once('/')?;
    let module = modules.iter().find(|module| module.key == key)?;
    module.routers.contains_key(variable).then(|| (module, variable.to_owned()))
}
