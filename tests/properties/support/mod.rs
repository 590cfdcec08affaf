//! The harness: a machine of one's own, daemons and servers to dial, counterparts, and what every test asks of what is said.

pub mod daemon;
pub mod drawn;
pub mod entities;
pub mod followed;
pub mod held;
pub mod interference;
pub mod key_forms;
pub mod limbo;
pub mod numbers;
pub mod peers;
pub mod relay;
pub mod scenario;
pub mod secrets;
pub mod servers;
pub mod suggested;
pub mod supervised;
pub mod turns;
pub mod verdict_subject;
pub mod whole;
pub mod workspace;
