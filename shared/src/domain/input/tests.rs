use super::*;

fn faults(body: &str) -> Vec<(String, &'static str)> {
    let read_pair = |input: &Input<'_>, faults: &mut Faults| {
        let fields = input.fields(&["a", "b"], faults)?;
        fields.required("a", "a text", faults, Input::text);
        fields.optional("b", "true or false", faults, Input::flag)
    };
    match read(body.as_bytes(), read_pair) {
        Err(InputError::Faults(errors)) => errors.into_iter().map(|e| (e.pointer, e.detail)).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn all_faults_are_named_at_once_with_their_pointers() {
    let found = faults(r#"{"b":1,"x":2,"b":true,"m~n/o":[],"":0,"x":3}"#);
    let expected = [
        ("/x", "an unknown field"),
        ("/m~0n~1o", "an unknown field"),
        ("/", "an unknown field"),
        ("/b", "a field that occurs only once"),
        ("/a", "a text"),
        ("/b", "true or false"),
    ];
    assert_eq!(found, expected.map(|(pointer, detail)| (pointer.to_owned(), detail)));
}

#[test]
fn array_null_and_scalar_are_not_objects() {
    for body in ["[]", r#"["text",true]"#, "null", "7", r#""{}""#] {
        assert_eq!(faults(body), [(String::new(), "an object")], "{body}");
    }
    assert_eq!(read(b"{", |_, _| Some(())), Err(InputError::NotJson));
    assert_eq!(read(b"{} {}", |_, _| Some(())), Err(InputError::NotJson));
    assert_eq!(read(b"\"\xff\"", |_, _| Some(())), Err(InputError::NotJson));
}

#[test]
fn odd_value_is_refused_by_field_without_its_content() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for value in [r#""\ud800""#, "1e999", "null", "{\"CANARY\":1}", &deep] {
        let found = faults(&format!(r#"{{"a":{value},"c":{value}}}"#));
        let expected = [("/c", "an unknown field"), ("/a", "a text")];
        assert_eq!(found, expected.map(|(pointer, detail)| (pointer.to_owned(), detail)));
    }
}

#[test]
fn refusal_stays_smaller_than_a_large_request() {
    let many: Vec<_> = (0..5000).map(|n| format!(r#""n{n}":0"#)).collect();
    assert_eq!(faults(&format!("{{{}}}", many.join(","))).len(), FAULTS_MAX);
    let long = faults(&format!(r#"{{"a":"","{}":0}}"#, "n".repeat(NAME_CHARS_MAX + 1)));
    assert_eq!(long, [(String::new(), "an unknown field with a very long name")]);
}
