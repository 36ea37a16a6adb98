//! The generator, and its errors for invalid documents. It runs at build time, so it is compiled in here.

#[allow(dead_code)]
#[path = "../src/codegen/mod.rs"]
mod codegen;

/// A valid document with one operation.
const GOOD: &str = r#"
openapi: 3.0.3
info: { title: T, version: "1" }
paths:
  /rooms/{room_id}:
    get:
      operationId: get_room
      summary: Reads a room.
      x-safety: safe
      x-confidence: documented
      parameters:
        - { name: room_id, in: path, required: true, description: The room., schema: { $ref: '#/components/schemas/RoomId' } }
      responses:
        '200': { description: ok, content: { application/json: { schema: { $ref: '#/components/schemas/Room' } } } }
        '204': { description: nothing }
        4XX: { description: refused, content: { application/json: { schema: { $ref: '#/components/schemas/Error' } } } }
components:
  schemas:
    RoomId: { type: integer, format: int64, description: An id. }
    Error: { type: object, description: An error., properties: { errors: { type: array, items: { type: string } } } }
    Room:
      type: object
      description: A room.
      required: [room_id]
      properties:
        room_id: { $ref: '#/components/schemas/RoomId' }
        name: { type: string, description: Its name., default: "" }
"#;

fn message(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from:?} is in the valid document");
    let broken = GOOD.replacen(from, to, 1);
    codegen::generate("specs/chatwork.yaml", &broken).expect_err("the document is invalid").to_string()
}

#[test]
fn a_valid_document_gives_code_that_parses() {
    let code = codegen::generate("specs/chatwork.yaml", GOOD).expect("the document is valid");
    let file = syn::parse_file(&code).expect("it is Rust");
    assert!(!file.items.is_empty());
    assert!(code.contains("GetRoom") && code.contains("RoomId"));
    assert!(!code.contains("api-version"), "no service knows the header");
}

#[test]
fn errors_name_the_file_the_operation_and_a_fix() {
    for (from, to, expected) in [
        (
            "x-safety: safe",
            "x-safety: careful",
            ["get_room", "x-safety is \"careful\"", "say safe, idempotent, keyed or unsafe"],
        ),
        ("      x-confidence: documented\n", "", ["get_room", "x-confidence is \"\"", "inferred: "]),
        (
            "operationId: get_room",
            "deprecated: false",
            ["get /rooms/{room_id}", "no operationId", "snake_case"],
        ),
        (
            "summary: Reads a room.",
            "summary: ''",
            ["get_room", "neither summary nor description", "documentation"],
        ),
        ("openapi: 3.0.3", "openapi: 3.1.0", ["document", "3.1.0", "OpenAPI 3.0.x"]),
        ("name: room_id, in: path", "name: room, in: path", ["get_room", "{room_id}", "in: path"]),
        ("in: path", "in: cookie", ["get_room", "\"cookie\"", "path, query or header"]),
        (
            "'#/components/schemas/Room' }",
            "'#/components/schemas/Rooms' }",
            ["get_room", "no schema Rooms", "components/schemas"],
        ),
        (
            "'204': { description: nothing }",
            "'201': { description: ok, content: { application/json: { schema: { $ref: '#/components/schemas/Room' } } } }",
            ["get_room", "two success responses", "one success"],
        ),
        (
            "name: { type: string, description: Its name., default: \"\" }",
            "name: { description: Its name., anyOf: [] }",
            ["Room", "property name", "specs/README.md"],
        ),
        ("description: Its name., ", "", ["Room", "property name has no description", "documentation"]),
        ("paths:", "path:", ["document", "no paths", "describe at least one"]),
        ("info: { title: T", "info: [ title: T", ["document", "", "valid YAML"]),
    ] {
        let message = message(from, to);
        assert!(message.starts_with("specs/chatwork.yaml: "), "{message}");
        for part in expected {
            assert!(message.contains(part), "{part:?} is not in: {message}");
        }
        assert!(message.contains("Fix: "), "{message}");
    }
}

#[test]
fn operation_ids_are_unique() {
    let second = GOOD.replace("components:\n", "  /me:\n    get:\n      operationId: get_room\n      summary: Me.\n      x-safety: safe\n      x-confidence: documented\n      responses: { '204': { description: none } }\ncomponents:\n");
    let message =
        codegen::generate("specs/chatwork.yaml", &second).expect_err("a name is used twice").to_string();
    assert!(message.contains("get_room") && message.contains("twice"), "{message}");
}

/// The documents of the crate, each with its number of operations.
const DOCUMENTS: [(&str, usize); 3] = [("chatwork", 32), ("tascha", 16), ("lancers", 13)];

fn document(service: &str) -> String {
    let path = format!("{}/specs/{service}.yaml", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).expect("the document is there")
}

fn generated(service: &str) -> String {
    codegen::generate(&format!("specs/{service}.yaml"), &document(service)).expect("the document is valid")
}

#[test]
fn the_documents_of_the_crate_have_all_operations() {
    for (service, count) in DOCUMENTS {
        assert_eq!(document(service).matches("operationId:").count(), count, "{service}");
        assert_eq!(
            generated(service).matches("impl crate::Endpoint for").count(),
            count - uploads(service),
            "{service}"
        );
    }
}

/// How many operations have a multipart body, and so an endpoint that is written by hand.
fn uploads(service: &str) -> usize {
    document(service).matches("multipart/form-data:").count()
}

/// Without the feature `generate` the crate compiles `src/generated`.
#[test]
fn the_committed_generated_code_is_up_to_date() {
    for (service, _) in DOCUMENTS {
        let path = format!("{}/src/generated/{service}.rs", env!("CARGO_MANIFEST_DIR"));
        let new = generated(service);
        if std::env::var_os("KAIWA_GENERATE").is_some() {
            std::fs::write(&path, &new).expect("src/generated can be written");
        }
        let old = std::fs::read_to_string(&path).unwrap_or_default();
        let refresh = "refresh it with: KAIWA_GENERATE=1 cargo test --test specs";
        assert!(
            tokens(&old) == tokens(&new),
            "src/generated/{service}.rs differs from the code for specs/{service}.yaml; {refresh}"
        );
        let lines = old.lines().zip(new.lines()).enumerate();
        for (number, (old, new)) in lines {
            assert_eq!(
                old,
                new,
                "src/generated/{service}.rs, line {}, is formatted differently; {refresh}",
                number + 1
            );
        }
        assert_eq!(old.len(), new.len(), "src/generated/{service}.rs ends differently; {refresh}");
    }
}

fn tokens(code: &str) -> String {
    let code: proc_macro2::TokenStream = code.parse().expect("it is Rust");
    code.to_string()
}

#[test]
fn the_generated_code_is_readable() {
    for (service, _) in DOCUMENTS {
        let code = generated(service);
        let text = |line: &&str| line.contains("///") || line.contains('"');
        let longest = code.lines().filter(|line| !text(line)).map(str::len).max();
        assert!(longest < Some(120), "{service} has a line of {longest:?} bytes of code");
        assert!(
            !code.contains(" async ") && !code.contains(".await"),
            "{service} encodes requests and sends none"
        );
    }
}

/// The parser of the documents reads a subset of YAML; a complete parser gets the same values from them.
#[test]
fn the_documents_are_read_like_a_complete_yaml_parser_reads_them() {
    for (service, _) in DOCUMENTS {
        let full: serde_json::Value = serde_saphyr::from_str(&document(service)).expect("it is YAML");
        assert_eq!(codegen::yaml::read(&document(service)).expect("it is YAML"), full, "{service}");
    }
}

#[test]
fn unsupported_yaml_is_refused() {
    let value = |yaml| codegen::yaml::read(yaml);
    let whole = "a: [1, -2, 1.5, 007, 1_0, 0x1f, on, null, ~, true, '1', \"\\u3042\"]\n200: |\n  x\n  y\nb: >-\n  x\n  y\n";
    let expected = serde_json::json!({
        "a": [1, -2, 1.5, "007", "1_0", "0x1f", "on", null, null, true, "1", "あ"],
        "200": "x\ny\n",
        "b": "x y",
    });
    assert_eq!(value(whole), Ok(expected));
    for (yaml, problem) in [
        ("a: 1\na: 2\n", "line 2: the key \"a\" stands here a second time"),
        ("a: &b 1\n", "line 1: an anchor"),
        ("a: !!str 1\n", "line 1: an anchor, an alias or a tag"),
        ("? [a]\n: 1\n", "line 1: a key is not a text"),
        ("a: 1\n---\nb: 1\n", "a second document begins"),
        ("", "the document is empty"),
        ("a: [1\n", "line"),
    ] {
        let message = value(yaml).expect_err(yaml);
        assert!(message.contains(problem), "{yaml:?}: {message}");
    }
}

#[test]
fn an_extension_that_is_misspelt_or_of_another_type_is_refused() {
    for (from, to, expected) in [
        ("x-safety: safe", "x-safety: safe\n      x-roomlimit: true", ["get_room", "x-roomlimit"]),
        ("x-safety: safe", "x-safety: safe\n      x-units: many", ["get_room", "many"]),
        ("x-safety: safe", "x-safety: safe\n      x-empty: object", ["get_room", "object"]),
        ("x-safety: safe", "x-safety: safe\n      x-safe-if: {}", ["get_room", "exactly one entry"]),
        (
            "x-safety: safe",
            "x-safety: safe\n      x-safe-if: { a: 1, b: 1 }",
            ["get_room", "exactly one entry"],
        ),
        ("description: Its name.,", "description: Its name., x-sercet: true,", ["name", "x-sercet"]),
    ] {
        let message = message(from, to);
        for part in expected.into_iter().chain(["specs/README.md"]) {
            assert!(message.contains(part), "{part:?} is not in: {message}");
        }
    }
}
