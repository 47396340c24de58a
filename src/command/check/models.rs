//! The model bindings of a workflow.

use credence::types::consumer::ConsumerKind;

use super::document::Node;
use super::finding::visible;
use super::misplaced;
use super::uses::{Referrer, Use, What};
use super::value::what;

/// Adds what the models of a workflow use.
pub fn models(root: Node<'_>, uses: &mut Vec<Use>) {
    let Some(defs) = root.get("defs").filter(|defs| !defs.is_null()) else {
        return;
    };
    let Some(entries) = defs.entries() else {
        uses.push(Use {
            referrer: None,
            path: "defs".to_owned(),
            place: defs.place(),
            what: What::NamelessDefs,
        });
        return;
    };
    for (name, def) in entries {
        match def.get("kind").and_then(Node::text) {
            Some("model") => model(name, def, uses),
            Some(_other) => {}
            // It may be a part of the definition above.
            None => {
                let slipped = misplaced::within(def, &format!("defs.{name}"));
                uses.extend(slipped.map(|found| Use::misplaced(None, &found)));
            }
        }
    }
    let slipped = misplaced::beside(defs, "defs");
    uses.extend(slipped.map(|found| Use::misplaced(None, &found)));
}

fn model(name: &str, def: Node<'_>, uses: &mut Vec<Use>) {
    let settings = def.get("settings");
    let key = settings.and_then(|settings| settings.get("api_key"));
    let referrer = Referrer {
        kind: ConsumerKind::AiModelBinding,
        name: name.to_owned(),
    };
    let path = format!("defs.{name}");
    let right = format!("{path}.settings.api_key");
    uses.push(Use {
        referrer: Some(referrer.clone()),
        path: visible(&right),
        place: key.unwrap_or(def).place(),
        what: key.map_or(What::Nothing, what),
    });
    let slipped = misplaced::within(def, &path).filter(|found| found.path != right);
    uses.extend(slipped.map(|found| Use::misplaced(Some(&referrer), &found)));
}
