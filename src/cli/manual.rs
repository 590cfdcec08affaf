//! The manual pages, made of the same definitions as `--help`.

use std::collections::BTreeMap;

use clap::CommandFactory;

use super::arguments::Arguments;

/// Every page, by its file name: `kitcert.1`, `kitcert-init.1`, ….
///
/// # Errors
/// None that a page could have; the type is that of writing to memory.
pub fn pages() -> std::io::Result<BTreeMap<String, Vec<u8>>> {
    let mut command = Arguments::command().disable_help_subcommand(true);
    command.build();
    let mut pages = BTreeMap::new();
    add(&command, "kitcert", &mut pages)?;
    Ok(pages)
}

fn add(command: &clap::Command, name: &str, pages: &mut BTreeMap<String, Vec<u8>>) -> std::io::Result<()> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone().display_name(name.to_owned())).title(name).render(&mut page)?;
    pages.insert(format!("{name}.1"), page);
    command
        .get_subcommands()
        .try_for_each(|subcommand| add(subcommand, &format!("{name}-{}", subcommand.get_name()), pages))
}
