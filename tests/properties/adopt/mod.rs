//! What others have made is taken over: CAs with their keys, and running daemons with whoever uses them.

mod importing;
mod killed;
mod known_keys;
mod makers;
mod revoked;
mod taking_over;
mod told;
