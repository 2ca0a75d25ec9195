//! The contract as data, and what a component does differently, in words.
//!
//! Wasmtime would refuse the same components, but with the text of its linker. Authors get the
//! interface, the item and the field instead (plugin-hosts.md §6.3, T2).

use std::{collections::BTreeSet, sync::LazyLock};

use gencode_core::plugin::PluginKind;
use wit_component::DecodedWasm;
use wit_parser::{Function, Resolve, SourceMap, Type, TypeDefKind, WorldId, WorldItem, WorldKey};

use crate::{error::LoadError, host::BoxError};

/// The files of `wit/`.
const SOURCES: [(&str, &str); 10] = [
    ("agents.wit", include_str!("../../../wit/agents.wit")),
    ("effects.wit", include_str!("../../../wit/effects.wit")),
    ("handlers.wit", include_str!("../../../wit/handlers.wit")),
    ("llm.wit", include_str!("../../../wit/llm.wit")),
    ("log.wit", include_str!("../../../wit/log.wit")),
    ("sandbox.wit", include_str!("../../../wit/sandbox.wit")),
    ("types.wit", include_str!("../../../wit/types.wit")),
    ("validators.wit", include_str!("../../../wit/validators.wit")),
    ("workspace.wit", include_str!("../../../wit/workspace.wit")),
    ("worlds.wit", include_str!("../../../wit/worlds.wit")),
];

/// The parsed contract.
pub(crate) struct Contract {
    pub(crate) resolve: Resolve,
    package: wit_parser::PackageId,
}

static CONTRACT: LazyLock<Result<Contract, String>> = LazyLock::new(|| {
    let mut map = SourceMap::new();
    for (name, text) in SOURCES {
        map.push_str(name, text);
    }
    let group = map.parse().map_err(|(_, error)| error.to_string())?;
    let mut resolve = Resolve::default();
    let package = resolve.push_group(group).map_err(|error| error.to_string())?;
    Ok(Contract { resolve, package })
});

/// Digest of the contract's text.
pub(crate) fn fingerprint() -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for (_, text) in SOURCES {
        hasher.update(text.as_bytes());
    }
    *hasher.finalize().as_bytes()
}

impl Contract {
    /// The contract this host was built with.
    pub(crate) fn get() -> Result<&'static Self, BoxError> {
        CONTRACT.as_ref().map_err(|error| BoxError::from(error.as_str()))
    }

    /// The world of a kind of plugin.
    pub(crate) fn world(&self, kind: PluginKind) -> Result<WorldId, BoxError> {
        self.resolve
            .select_world(&[self.package], Some(kind.world()))
            .map_err(|error| BoxError::from(error.to_string()))
    }
}

/// Compares a component with the world of its kind. Blocks for some milliseconds.
///
/// Returns the names of the imported interfaces that have a function: of others only types are
/// used, which needs no grant.
pub(crate) fn check(bytes: &[u8], kind: PluginKind) -> Result<BTreeSet<String>, LoadError> {
    let contract = Contract::get().map_err(LoadError::Link)?;
    let world = contract.world(kind).map_err(LoadError::Link)?;
    let decoded =
        wit_component::decode(bytes).map_err(|error| LoadError::NotWasm(chain(&error)))?;
    let DecodedWasm::Component(theirs, id) = decoded else {
        return Err(LoadError::NotWasm("a WIT package, not a component".into()));
    };
    let ours = contract.resolve.worlds.get(world);
    let theirs_world = theirs.worlds.get(id);
    let (Some(ours), Some(theirs_world)) = (ours, theirs_world) else {
        return Err(LoadError::Link("a world without an entry".into()));
    };
    let pair = Pair { ours: &contract.resolve, theirs: &theirs };
    let mut callable = BTreeSet::new();
    for (key, item) in &theirs_world.imports {
        let name = theirs.name_world_key(key);
        if let WorldItem::Interface { id, .. } = item
            && theirs.interfaces.get(*id).is_some_and(|interface| !interface.functions.is_empty())
        {
            callable.insert(name.clone());
        }
        if name.starts_with("wasi:") {
            continue; // Wasmtime's own linker knows those
        }
        let known = ours
            .imports
            .iter()
            .find_map(|(key, item)| (contract.resolve.name_world_key(key) == name).then_some(item));
        let Some(known) = known else {
            return Err(LoadError::Import {
                import: name,
                reason: format!("a plugin of kind `{kind}` cannot use"),
            });
        };
        pair.interface(&name, known, item)?;
    }
    for (key, item) in &ours.exports {
        let (WorldKey::Name(name), WorldItem::Function(function)) = (key, item) else { continue };
        match theirs_world.exports.get(&WorldKey::Name(name.clone())) {
            Some(WorldItem::Function(found)) => pair.function(name, function, found)?,
            _ => return Err(LoadError::MissingExport { kind, export: name.clone() }),
        }
    }
    Ok(callable)
}

/// The chain of an `anyhow` error as one sentence.
pub(crate) fn chain(error: &impl std::fmt::Display) -> BoxError {
    BoxError::from(format!("{error:#}"))
}

/// Our types and those of a component.
struct Pair<'a> {
    ours: &'a Resolve,
    theirs: &'a Resolve,
}

impl Pair<'_> {
    fn interface(&self, name: &str, ours: &WorldItem, theirs: &WorldItem) -> Result<(), LoadError> {
        let (WorldItem::Interface { id: ours, .. }, WorldItem::Interface { id: theirs, .. }) =
            (ours, theirs)
        else {
            return Ok(()); // a type; compared where it is used
        };
        let (Some(ours), Some(theirs)) =
            (self.ours.interfaces.get(*ours), self.theirs.interfaces.get(*theirs))
        else {
            return Ok(());
        };
        for (function, found) in &theirs.functions {
            let item = format!("{name}#{function}");
            match ours.functions.get(function) {
                Some(known) => self.function(&item, known, found)?,
                None => {
                    return Err(LoadError::Contract {
                        item,
                        difference: "this host has no such function".to_owned(),
                    });
                }
            }
        }
        Ok(())
    }

    fn function(&self, item: &str, ours: &Function, theirs: &Function) -> Result<(), LoadError> {
        let difference = self.signature(ours, theirs);
        difference.map_or(Ok(()), |difference| {
            Err(LoadError::Contract { item: item.to_owned(), difference })
        })
    }

    fn signature(&self, ours: &Function, theirs: &Function) -> Option<String> {
        if ours.params.len() != theirs.params.len() {
            return Some(format!(
                "it takes {} parameters where the contract has {}",
                theirs.params.len(),
                ours.params.len()
            ));
        }
        for (ours, theirs) in ours.params.iter().zip(&theirs.params) {
            if ours.name != theirs.name {
                return Some(format!(
                    "parameter `{}` is called `{}` in the contract",
                    theirs.name, ours.name
                ));
            }
            if let Some(difference) = self.types(&ours.ty, &theirs.ty) {
                return Some(format!("parameter `{}`: {difference}", ours.name));
            }
        }
        match (&ours.result, &theirs.result) {
            (None, None) => None,
            (Some(ours), Some(theirs)) => {
                self.types(ours, theirs).map(|difference| format!("result: {difference}"))
            }
            (Some(_), None) => Some("it returns nothing".to_owned()),
            (None, Some(_)) => Some("it returns a value where the contract has none".to_owned()),
        }
    }

    fn types(&self, ours: &Type, theirs: &Type) -> Option<String> {
        match (definition(self.ours, ours), definition(self.theirs, theirs)) {
            (Some((name, ours)), Some((_, theirs))) => {
                let difference = self.kinds(ours, theirs)?;
                Some(match name {
                    Some(name) => format!("{} `{name}`: {difference}", ours.as_str()),
                    None => difference,
                })
            }
            (None, None) if ours == theirs => None,
            (ours_kind, theirs_kind) => Some(format!(
                "the contract has {}, the component {}",
                describe(ours, ours_kind.map(|(_, kind)| kind)),
                describe(theirs, theirs_kind.map(|(_, kind)| kind))
            )),
        }
    }

    fn kinds(&self, ours: &TypeDefKind, theirs: &TypeDefKind) -> Option<String> {
        match (ours, theirs) {
            (TypeDefKind::Record(ours), TypeDefKind::Record(theirs)) => {
                let ours: Vec<_> =
                    ours.fields.iter().map(|f| (f.name.as_str(), Some(f.ty))).collect();
                let theirs: Vec<_> =
                    theirs.fields.iter().map(|f| (f.name.as_str(), Some(f.ty))).collect();
                self.members("field", &ours, &theirs)
            }
            (TypeDefKind::Variant(ours), TypeDefKind::Variant(theirs)) => {
                let ours: Vec<_> = ours.cases.iter().map(|c| (c.name.as_str(), c.ty)).collect();
                let theirs: Vec<_> = theirs.cases.iter().map(|c| (c.name.as_str(), c.ty)).collect();
                self.members("case", &ours, &theirs)
            }
            (TypeDefKind::Tuple(ours), TypeDefKind::Tuple(theirs)) => {
                if ours.types.len() != theirs.types.len() {
                    return Some("a tuple of another length".to_owned());
                }
                ours.types
                    .iter()
                    .zip(&theirs.types)
                    .find_map(|(ours, theirs)| self.types(ours, theirs))
            }
            (TypeDefKind::List(ours), TypeDefKind::List(theirs))
            | (TypeDefKind::Option(ours), TypeDefKind::Option(theirs)) => self.types(ours, theirs),
            (TypeDefKind::Result(ours), TypeDefKind::Result(theirs)) => {
                self.optional(ours.ok.as_ref(), theirs.ok.as_ref()).or_else(|| {
                    self.optional(ours.err.as_ref(), theirs.err.as_ref())
                        .map(|difference| format!("error: {difference}"))
                })
            }
            _ => Some(format!(
                "the contract has a {}, the component a {}",
                ours.as_str(),
                theirs.as_str()
            )),
        }
    }

    fn members(
        &self,
        what: &str,
        ours: &[(&str, Option<Type>)],
        theirs: &[(&str, Option<Type>)],
    ) -> Option<String> {
        if let Some((name, _)) =
            ours.iter().find(|(name, _)| !theirs.iter().any(|(other, _)| other == name))
        {
            return Some(format!("{what} `{name}` is missing"));
        }
        if let Some((name, _)) =
            theirs.iter().find(|(name, _)| !ours.iter().any(|(other, _)| other == name))
        {
            return Some(format!("{what} `{name}` does not exist in the contract"));
        }
        ours.iter().zip(theirs).find_map(|((name, ours), (other, theirs))| {
            if name != other {
                return Some(format!("{what} `{other}` stands where `{name}` should"));
            }
            self.optional(ours.as_ref(), theirs.as_ref())
                .map(|difference| format!("{what} `{name}`: {difference}"))
        })
    }

    fn optional(&self, ours: Option<&Type>, theirs: Option<&Type>) -> Option<String> {
        match (ours, theirs) {
            (None, None) => None,
            (Some(ours), Some(theirs)) => self.types(ours, theirs),
            _ => Some("one side has a value, the other has none".to_owned()),
        }
    }
}

/// Definition behind a type, through its aliases; none for a primitive.
fn definition<'a>(resolve: &'a Resolve, ty: &Type) -> Option<(Option<&'a str>, &'a TypeDefKind)> {
    let Type::Id(id) = ty else { return None };
    let found = resolve.types.get(*id)?;
    match &found.kind {
        TypeDefKind::Type(alias) => definition(resolve, alias),
        kind => Some((found.name.as_deref(), kind)),
    }
}

fn describe(ty: &Type, kind: Option<&TypeDefKind>) -> String {
    kind.map_or_else(|| format!("{ty:?}").to_lowercase(), |kind| kind.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_contract_is_here() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit");
        let mut files: Vec<_> = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "wit"))
            .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        files.sort();
        assert_eq!(files, SOURCES.map(|(name, _)| name));
        let contract = Contract::get().unwrap();
        for kind in [PluginKind::Agent, PluginKind::Handler, PluginKind::Validator] {
            contract.world(kind).unwrap();
        }
    }
}
