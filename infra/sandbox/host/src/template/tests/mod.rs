//! Tests the reader on small templates, one rule each.

mod intrinsics;
mod stack;

use super::Bindings;

fn bindings() -> Bindings {
    Bindings::new("us-east-1", "000000000000", "app").with_resolver(|id, attribute| match (id, attribute) {
        ("Jobs", "Ref") => Some("http://sqs/000000000000/app-Jobs".to_owned()),
        ("Jobs", "Arn") => Some("arn:aws:sqs:us-east-1:000000000000:app-Jobs".to_owned()),
        _ => None,
    })
}
