//! The helper's end of the stream to the process above it.

use std::{
    io::{self, Read as _, Write as _},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
};

use crate::protocol::{MAX_SPEC_BYTES, Message, Spec};

/// One end of a stream.
pub(super) struct Channel(UnixStream);

/// A connected pair; neither end survives into another program.
pub(super) fn pair() -> Result<(UnixStream, UnixStream), String> {
    UnixStream::pair().map_err(|err| format!("socket pair: {err}"))
}

impl Channel {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self(stream)
    }

    /// The stream that this process got as its standard input.
    pub(super) fn from_stdin() -> io::Result<Self> {
        Ok(Self(UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?)))
    }

    /// Byte by byte, so that nothing after the line is taken. A spec is a few kilobytes.
    pub(super) fn read_spec(&mut self) -> Result<Spec, String> {
        let mut line = Vec::new();
        let mut byte = [0];
        while line.len() < MAX_SPEC_BYTES {
            match self.0.read(&mut byte) {
                Ok(0) => return Err("the host left before it said what to run".to_owned()),
                Ok(_) if byte == *b"\n" => {
                    return serde_json::from_slice(&line)
                        .map_err(|err| format!("specification: {err}"));
                }
                Ok(_) => line.extend_from_slice(&byte),
                Err(err) => return Err(format!("read the specification: {err}")),
            }
        }
        Err("the specification is too long".to_owned())
    }

    pub(super) fn send_spec(&mut self, spec: &Spec) -> Result<(), String> {
        let mut line = serde_json::to_vec(spec).map_err(|err| format!("specification: {err}"))?;
        line.push(b'\n');
        self.0.write_all(&line).map_err(|err| format!("pass on the specification: {err}"))
    }

    /// Says something to the process above. If it is gone, its end is noticed elsewhere.
    pub(super) fn send(&mut self, message: &Message) {
        if let Ok(mut line) = serde_json::to_vec(message) {
            line.push(b'\n');
            self.send_bytes(&line);
        }
    }

    pub(super) fn send_bytes(&mut self, bytes: &[u8]) {
        drop(self.0.write_all(bytes));
    }

    /// What has arrived; empty at the end.
    pub(super) fn receive(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 4096];
        loop {
            match self.0.read(&mut bytes) {
                Ok(count) => {
                    bytes.truncate(count);
                    return bytes;
                }
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Vec::new(),
            }
        }
    }

    /// Tells the other side that nothing more comes.
    pub(super) fn close(&mut self) {
        drop(self.0.shutdown(std::net::Shutdown::Write));
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
