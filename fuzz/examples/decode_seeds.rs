//! Writes seeds for the target `decode` to `corpus/decode`: the fixtures of the library's tests, each with the byte
//! that selects its operation, and the files in `seeds/decode` as an answer of every operation.

use std::error::Error;
use std::fs;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = here.join("corpus/decode");
    fs::create_dir_all(&corpus)?;
    let mut written = 0;
    let mut write = |service: &str, operation: &str, name: &str, body: &[u8]| -> Result<(), Box<dyn Error>> {
        let seed = kaiwa_fuzz::decode_seed(service, operation, body).ok_or("there is no such operation")?;
        fs::write(corpus.join(format!("{service}-{operation}-{name}")), seed)?;
        written += 1;
        Ok(())
    };
    let tables = [
        ("chatwork", kaiwa::chatwork::table::ALL),
        ("tascha", kaiwa::tascha::table::ALL),
        ("lancers", kaiwa::lancers::table::ALL),
    ];
    for (service, table) in tables {
        for operation in table {
            let fixture = here.join(format!("../tests/fixtures/{service}/{}.json", operation.id));
            if fixture.exists() {
                write(service, operation.id, "fixture", &fs::read(fixture)?)?;
            }
            for entry in fs::read_dir(here.join("seeds/decode"))? {
                let entry = entry?;
                write(service, operation.id, &entry.file_name().to_string_lossy(), &fs::read(entry.path())?)?;
            }
        }
    }
    println!("{written} seeds in {}", corpus.display());
    Ok(())
}
