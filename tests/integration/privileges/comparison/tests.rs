//! Each test changes the policies in one place, and checks the result of the comparison.

use std::collections::BTreeMap;

use sandbox_machine::privileges::{Policy, added_by_sam};
use serde_json::{Value, json};

use super::*;
use crate::template;

/// Policy documents, by function. A field with a single value is turned into a list of one.
type Documents = BTreeMap<String, Vec<Value>>;

/// The template's policies, without the shared policy for the data key.
fn documents() -> Documents {
    let (stack, bindings) = (template::stack(), template::bindings());
    let functions = stack.functions.iter().map(|function| {
        let written = function
            .policies
            .iter()
            .filter(|policy| policy.get("Statement").is_some());
        let documents = written.map(|policy| listed(stack.evaluate(policy, &bindings).unwrap().unwrap()));
        (function.binary.clone(), documents.collect())
    });
    functions.collect()
}

fn listed(mut document: Value) -> Value {
    for statement in document["Statement"].as_array_mut().unwrap() {
        for field in LISTS {
            if let Some(value) = statement.pointer_mut(field).filter(|value| value.is_string()) {
                *value = json!([value]);
            }
        }
    }
    document
}

const KEYS: &str = "/Condition/ForAllValues:StringLike/dynamodb:LeadingKeys";
const LISTS: [&str; 3] = ["/Action", "/Resource", KEYS];

fn granted(documents: &Documents) -> BTreeSet<Privilege> {
    let mut granted = BTreeSet::new();
    for (function, documents) in documents {
        let mut policy = Policy::default();
        documents.iter().for_each(|document| policy.add(document).unwrap());
        granted.extend(policy.granted(function));
    }
    granted
}

/// The part of a privilege that comes from this list of a statement.
fn part<'a>(privilege: &'a Privilege, list: &str) -> Option<&'a str> {
    match list {
        "/Action" => Some(&privilege.action),
        "/Resource" => Some(&privilege.resource),
        _ => privilege.leading_key.as_deref(),
    }
}

/// One item of one list in a statement that allows.
struct Item {
    function: String,
    document: usize,
    statement: usize,
    list: &'static str,
    index: usize,
}

impl Item {
    fn all(documents: &Documents) -> Vec<Self> {
        let mut items = Vec::new();
        for (function, documents) in documents {
            for (document, text) in documents.iter().enumerate() {
                let statements = text["Statement"].as_array().unwrap().iter().enumerate();
                for (statement, text) in statements.filter(|(_, text)| text["Effect"] == "Allow") {
                    for list in LISTS {
                        let count = text.pointer(list).map_or(0, |list| list.as_array().unwrap().len());
                        items.extend((0..count).map(|index| Self {
                            function: function.clone(),
                            document,
                            statement,
                            list,
                            index,
                        }));
                    }
                }
            }
        }
        items
    }

    fn list<'a>(&self, documents: &'a mut Documents) -> &'a mut Vec<Value> {
        let statement = &mut documents.get_mut(&self.function).unwrap()[self.document]["Statement"][self.statement];
        statement.pointer_mut(self.list).unwrap().as_array_mut().unwrap()
    }

    /// The policies without this item, and the item's text.
    fn without(&self, documents: &Documents) -> (Documents, String) {
        let mut changed = documents.clone();
        let item = self.list(&mut changed).remove(self.index);
        (changed, item.as_str().unwrap().to_owned())
    }

    /// The number of privileges that this item yields: one for each combination of the other lists' items.
    fn count(&self, documents: &Documents) -> usize {
        let statement = &documents[&self.function][self.document]["Statement"][self.statement];
        let others = LISTS.iter().filter(|list| **list != self.list);
        let counts = others.filter_map(|list| Some(statement.pointer(list)?.as_array()?.len()));
        counts.product()
    }

    /// Whether these are exactly the privileges of an item with this text.
    fn is_all_of(&self, privileges: &BTreeSet<Privilege>, says: &str, count: usize) -> bool {
        let own =
            |privilege: &Privilege| privilege.function == self.function && part(privilege, self.list) == Some(says);
        privileges.len() == count && privileges.iter().all(own)
    }
}

#[test]
fn item_removed_from_a_policy_is_missing() {
    let documents = documents();
    let used = granted(&documents);
    let items = Item::all(&documents);
    assert!(items.len() > 100, "{}", items.len());
    for item in items {
        let (changed, says) = item.without(&documents);
        let Difference {
            missing,
            unused,
            pointless,
        } = compare(&granted(&changed), &used, &[]);
        assert!(
            item.is_all_of(&missing, &says, item.count(&documents)),
            "{} without {says}: {missing:?}",
            item.function
        );
        assert!(unused.is_empty() && pointless.is_empty(), "{unused:?}");
    }
}

#[test]
fn item_added_to_a_policy_is_unused() {
    const ADDED: &str = "service:Added";
    let documents = documents();
    let used = granted(&documents);
    for item in Item::all(&documents) {
        let mut changed = documents.clone();
        item.list(&mut changed).push(json!(ADDED));
        let Difference {
            missing,
            unused,
            pointless,
        } = compare(&granted(&changed), &used, &[]);
        assert!(
            item.is_all_of(&unused, ADDED, item.count(&documents)),
            "{}: {unused:?}",
            item.function
        );
        assert!(missing.is_empty() && pointless.is_empty(), "{missing:?}");
    }
}

#[test]
fn removed_condition_is_both_missing_and_unused() {
    let documents = documents();
    let used = granted(&documents);
    let mut changed = documents.clone();
    let statements = changed.get_mut("record-read").unwrap()[0]["Statement"]
        .as_array_mut()
        .unwrap();
    let conditional = statements
        .iter_mut()
        .find(|statement| statement.get("Condition").is_some());
    conditional.unwrap().as_object_mut().unwrap().remove("Condition");
    let difference = compare(&granted(&changed), &used, &[]);
    assert!(!difference.missing.is_empty() && !difference.unused.is_empty());
}

/// SAM attaches a managed policy that allows every queue. Without the denial in its own policy, a function could use
/// every queue.
#[test]
fn removed_denial_is_both_missing_and_unused() {
    let mut documents = documents();
    for function in template::stack().functions {
        let added = documents.get_mut(&function.binary).unwrap();
        added.extend(added_by_sam(&function));
    }
    let used = granted(&documents);
    let mut consumers = 0;
    for (function, written) in &documents {
        let mut changed = documents.clone();
        let statements = changed.get_mut(function).unwrap()[0]["Statement"]
            .as_array_mut()
            .unwrap();
        statements.retain(|statement| statement["Effect"] != "Deny");
        if changed[function] == *written {
            continue;
        }
        consumers += 1;
        let Difference { missing, unused, .. } = compare(&granted(&changed), &used, &[]);
        let actions = |privileges: &BTreeSet<Privilege>| -> Vec<String> {
            privileges.iter().map(|privilege| privilege.action.clone()).collect()
        };
        let denied = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"];
        assert_eq!(
            (actions(&unused), actions(&missing)),
            (denied.map(str::to_owned).into(), denied.map(str::to_owned).into())
        );
        assert!(unused.iter().all(|privilege| privilege.resource == "*"), "{unused:?}");
    }
    assert_eq!(consumers, 4);
}

#[test]
fn exception_excuses_a_granted_and_unused_privilege() {
    let privilege = |action: &str| Privilege {
        function: "f".to_owned(),
        action: action.to_owned(),
        resource: "arn:r".to_owned(),
        leading_key: None,
    };
    let (granted, used) = (
        [privilege("a:Used"), privilege("a:Idle")].into(),
        [privilege("a:Used")].into(),
    );
    let service = |action: &str| Exception {
        privilege: privilege(action),
        why: Why::MadeByService("it decrypts"),
    };
    let error = |action: &str| Exception {
        privilege: privilege(action),
        why: Why::ErrorPath("nothing fails so"),
    };
    assert_eq!(compare(&granted, &used, &[service("a:Idle")]), Difference::default());
    assert_eq!(compare(&granted, &used, &[error("a:Idle")]), Difference::default());
    assert_eq!(compare(&granted, &used, &[]).unused, [privilege("a:Idle")].into());
    let pointless = compare(
        &granted,
        &used,
        &[service("a:Idle"), error("a:Used"), service("a:Other")],
    )
    .pointless;
    assert_eq!(
        pointless,
        [
            "f a:Used arn:r (in an error path: nothing fails so)",
            "f a:Other arn:r (made by a service with the role: it decrypts)",
        ]
    );
}
