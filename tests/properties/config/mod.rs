//! The files that people write: the tools' config.yml and kitcert.yaml.

mod config_editor;
mod generated_configs;
mod intent;
