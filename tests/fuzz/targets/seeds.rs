//! Writes what each reader is tried with first into a folder of its name: `seeds FOLDER`.

use std::path::Path;

use readers::READERS;

fn main() -> std::io::Result<()> {
    let folder = std::env::args_os().nth(1).expect("a folder");
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for reader in READERS {
        let own = Path::new(&folder).join(reader.name);
        std::fs::create_dir_all(&own)?;
        for (number, seed) in reader.seeds(&repository).iter().enumerate() {
            std::fs::write(own.join(format!("{number:04}")), seed)?;
        }
    }
    Ok(())
}
