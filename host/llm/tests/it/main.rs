//! The gateway against real sockets: servers that answer as the providers do, well and badly.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod listing;
#[cfg(test)]
mod offline;
#[cfg(test)]
mod recording;
#[cfg(test)]
mod secrets;
