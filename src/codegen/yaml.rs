//! Reads the documents: YAML with text for keys, numbers as JSON writes them, and neither anchors nor tags.

use granit_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::{Map, Value};

/// What is wrong, and in which line.
type Result<T> = std::result::Result<T, String>;

pub fn read(yaml: &str) -> Result<Value> {
    let mut reader = Reader(Parser::new_from_str(yaml));
    let (first, at) = reader.next()?;
    let value = reader.value(first, at)?;
    match reader.next()? {
        (Event::StreamEnd, _) => Ok(value),
        (_, at) => Err(wrong(at, "a second document begins")),
    }
}

struct Reader<'a>(Parser<'a, granit_parser::StrInput<'a>>);

impl<'a> Reader<'a> {
    /// The next event that is part of the content, or the end.
    fn next(&mut self) -> Result<(Event<'a>, Span)> {
        loop {
            match self.0.next().transpose().map_err(|error| error.to_string())? {
                None => return Ok((Event::StreamEnd, Span::default())),
                Some((Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd, _)) => {}
                Some(next) => return Ok(next),
            }
        }
    }

    fn value(&mut self, event: Event<'a>, at: Span) -> Result<Value> {
        match event {
            Event::Scalar(text, style, 0, None) => Ok(scalar(text.into_owned(), style)),
            Event::SequenceStart(_, 0, None) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => return Ok(Value::Array(items)),
                        (event, at) => items.push(self.value(event, at)?),
                    }
                }
            }
            Event::MappingStart(_, 0, None) => {
                let mut members = Map::new();
                loop {
                    let (event, at) = self.next()?;
                    let name = match event {
                        Event::MappingEnd => return Ok(Value::Object(members)),
                        Event::Scalar(name, _, 0, None) => name.into_owned(),
                        _ => return Err(wrong(at, "a key is not a text")),
                    };
                    let (event, below) = self.next()?;
                    let value = self.value(event, below)?;
                    if members.contains_key(&name) {
                        return Err(wrong(at, &format!("the key {name:?} stands here a second time")));
                    }
                    members.insert(name, value);
                }
            }
            Event::StreamEnd => Err("the document is empty".to_owned()),
            _ => Err(wrong(at, "an anchor, an alias or a tag stands here, which the reader does not know")),
        }
    }
}

fn wrong(at: Span, problem: &str) -> String {
    format!("line {}: {problem}", at.start.line())
}

fn scalar(text: String, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::String(text);
    }
    match text.as_str() {
        "" | "~" | "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        number if number.starts_with(|first: char| first == '-' || first.is_ascii_digit()) => {
            serde_json::from_str(number).map_or(Value::String(text), Value::Number)
        }
        _ => Value::String(text),
    }
}
