//! The generator: what it says of a document that is wrong. It runs at build time, so it is compiled in here.

#[allow(dead_code)]
#[path = "../src/codegen/mod.rs"]
mod codegen;

/// A document with one operation that is right.
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
    assert!(GOOD.contains(from), "{from:?} is in the good document");
    let broken = GOOD.replacen(from, to, 1);
    codegen::generate("specs/chatwork.yaml", &broken).expect_err("the document is wrong").to_string()
}

#[test]
fn a_document_that_is_right_becomes_code_that_parses() {
    let code = codegen::generate("specs/chatwork.yaml", GOOD).expect("the document is right");
    let file = syn::parse_file(&code).expect("it is Rust");
    assert!(!file.items.is_empty());
    assert!(code.contains("GetRoom") && code.contains("RoomId"));
    assert!(!code.contains("api-version\" , \"1"), "only the client that is generated knows the header");
}

#[test]
fn what_is_wrong_is_named_with_file_operation_and_remedy() {
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

#[test]
fn the_documents_of_the_crate_have_all_operations() {
    for (service, count) in [("chatwork", 32), ("tascha", 16), ("lancers", 13)] {
        let path = format!("{}/specs/{service}.yaml", env!("CARGO_MANIFEST_DIR"));
        let yaml = std::fs::read_to_string(path).expect("the document is there");
        assert_eq!(yaml.matches("operationId:").count(), count, "{service}");
        codegen::generate(&format!("specs/{service}.yaml"), &yaml).expect("it is right");
    }
}
