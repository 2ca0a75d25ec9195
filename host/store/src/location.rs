//! Where the database is: a file, or a PostgreSQL server (DB-001).

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::StoreError;

/// Address of a database.
///
/// Its text form is a path, `sqlite:<path>`, or
/// `postgres://[user[:password]@][host[:port]][/database][?option=value&…]` with the options
/// `host` (a directory means a Unix socket), `port`, `user`, `password`, `dbname`, `sslmode`,
/// `sslrootcert`, `application_name` and `options`. A password may have any character; where it
/// has `%`, write `%25`. What is left out is as libpq has it: the user's name for the database,
/// `localhost` and 5432 for the server.
#[derive(Clone)]
pub enum Location {
    /// An SQLite file; made where missing.
    File(PathBuf),
    /// A PostgreSQL database; made by its administrator.
    Postgres(Server),
}

/// A PostgreSQL database and how to reach it. Its debug form has no password.
#[derive(Clone)]
pub struct Server {
    pub(crate) options: Box<PgConnectOptions>,
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Location").field(&self.to_string()).finish()
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Server").field(&self.to_string()).finish()
    }
}

/// For people; never has a password.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Postgres(server) => write!(f, "{server}"),
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = &self.options;
        let database = options.get_database().unwrap_or_else(|| options.get_username());
        match options.get_socket() {
            Some(socket) => write!(f, "postgres://{}/{database}", socket.display()),
            None => {
                write!(f, "postgres://{}:{}/{database}", options.get_host(), options.get_port())
            }
        }
    }
}

impl From<&Path> for Location {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl FromStr for Location {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let text = text.trim();
        for scheme in ["postgres://", "postgresql://"] {
            if let Some(rest) = text.strip_prefix(scheme) {
                return Ok(Self::Postgres(Server { options: Box::new(postgres(rest)?) }));
            }
        }
        let path = ["sqlite://", "sqlite:", "file://"]
            .iter()
            .find_map(|scheme| text.strip_prefix(scheme))
            .unwrap_or(text);
        if let Some((scheme, _)) = path.split_once("://") {
            return Err(wrong(format!(
                "`{scheme}` is not a database this host knows; use postgres://… or a path for SQLite"
            )));
        }
        if path.is_empty() {
            return Err(wrong("it is empty".to_owned()));
        }
        Ok(Self::File(PathBuf::from(path)))
    }
}

fn wrong(why: String) -> StoreError {
    StoreError::Address(why)
}

/// Reads what comes after `postgres://`.
///
/// A password is often pasted as it is, with `@`, `/`, `#` or `?` in it. So the last `@` ends it,
/// and only what comes after that is looked at for `/` and `?`.
fn postgres(rest: &str) -> Result<PgConnectOptions, StoreError> {
    let (login, place) = match rest.rsplit_once('@') {
        Some((login, place)) => (Some(login), place),
        None => (None, rest),
    };
    let (place, query) = place.split_once('?').unwrap_or((place, ""));
    let (server, database) = place.split_once('/').unwrap_or((place, ""));
    let mut options = PgConnectOptions::new_without_pgpass();
    if let Some(login) = login {
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (login, None),
        };
        if !user.is_empty() {
            options = options.username(&decoded(user));
        }
        if let Some(password) = password {
            options = options.password(&decoded(password));
        }
    }
    options = at_server(options, server)?;
    if !database.is_empty() {
        options = options.database(&decoded(database));
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        options = with_option(options, name, &decoded(value))?;
    }
    Ok(options)
}

fn at_server(options: PgConnectOptions, server: &str) -> Result<PgConnectOptions, StoreError> {
    if server.is_empty() {
        return Ok(options);
    }
    // `[::1]:5432` has colons inside its host.
    let (host, port) = match server.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => match server.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (server, None),
        },
    };
    let mut options = options;
    if !host.is_empty() {
        options = options.host(&decoded(host));
    }
    match port {
        Some(port) if !port.is_empty() => Ok(options.port(port_of(port)?)),
        _ => Ok(options),
    }
}

fn port_of(text: &str) -> Result<u16, StoreError> {
    text.parse().map_err(|_| {
        // Not shown: where the address is misread this may be a piece of the password.
        wrong(
            "the port is not a number from 1 to 65535; write `%40` for an `@` in a name".to_owned(),
        )
    })
}

fn with_option(
    options: PgConnectOptions,
    name: &str,
    value: &str,
) -> Result<PgConnectOptions, StoreError> {
    Ok(match name {
        "host" | "hostaddr" if value.starts_with('/') => options.socket(value),
        "host" | "hostaddr" => options.host(value),
        "port" => options.port(port_of(value)?),
        "user" => options.username(value),
        "password" => options.password(value),
        "dbname" => options.database(value),
        "application_name" => options.application_name(value),
        "sslrootcert" => options.ssl_root_cert(value),
        "sslmode" => {
            let mode: PgSslMode = value.parse().map_err(|_| {
                wrong(format!(
                    "sslmode is `{value}`; use disable, allow, prefer, require, verify-ca or verify-full"
                ))
            })?;
            options.ssl_mode(mode)
        }
        // `-c name=value -c …`, as libpq takes it.
        "options" => {
            let settings = value.split("-c").map(str::trim).filter_map(|part| part.split_once('='));
            options.options(settings.map(|(name, value)| (name.trim(), value.trim())))
        }
        _ => {
            return Err(wrong(format!(
                "the option `{name}` is not known; known are host, port, user, password, dbname, sslmode, sslrootcert, application_name and options"
            )));
        }
    })
}

/// `%40` is `@`. A `%` that does not begin such a code is itself.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = match (first, tail) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        if let (Some((high, low)), [_, _, after @ ..]) = (code, tail) {
            bytes.push(high * 16 + low);
            rest = after;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str) -> PgConnectOptions {
        match text.parse() {
            Ok(Location::Postgres(server)) => *server.options,
            other => panic!("{text}: {other:?}"),
        }
    }

    /// Host, port, user, database of an address.
    fn read(text: &str) -> (String, u16, String, Option<String>) {
        let options = options(text);
        (
            options.get_host().to_owned(),
            options.get_port(),
            options.get_username().to_owned(),
            options.get_database().map(ToOwned::to_owned),
        )
    }

    #[test]
    fn audit_db_001_addresses_with_and_without_parts_are_read() {
        let all = |host: &str, port, user: &str, database: Option<&str>| {
            (host.to_owned(), port, user.to_owned(), database.map(ToOwned::to_owned))
        };
        assert_eq!(read("postgres://ann@db/shop"), all("db", 5432, "ann", Some("shop")));
        assert_eq!(read("postgresql://ann:x@db:6000"), all("db", 6000, "ann", None));
        assert_eq!(read("postgres://ann:x@db:6000/"), all("db", 6000, "ann", None));
        assert_eq!(read("postgres://ann@[::1]:7000/a"), all("::1", 7000, "ann", Some("a")));
        assert_eq!(
            read("postgres://ann@db/my%20shop?sslmode=disable"),
            all("db", 5432, "ann", Some("my shop"))
        );
        assert_eq!(read("postgres://ann@/shop?host=/run/postgresql&port=1"), {
            let socket = options("postgres://ann@/shop?host=/run/postgresql&port=1");
            assert_eq!(socket.get_socket().unwrap(), Path::new("/run/postgresql"));
            all(socket.get_host(), 1, "ann", Some("shop"))
        });
        assert_eq!(
            read("  postgres://ann@db/shop?dbname=other\n"),
            all("db", 5432, "ann", Some("other"))
        );
    }

    #[test]
    fn audit_db_001_a_password_may_have_any_character() {
        for (written, host, database) in [
            ("postgres://ann:p@ss/w#rd?x@db/shop", "db", "shop"),
            ("postgres://ann:p%40ss@db/shop", "db", "shop"),
            ("postgres://ann:100%@db/shop", "db", "shop"),
            ("postgres://ann::::@db/shop?application_name=x", "db", "shop"),
        ] {
            let (found, _, user, name) = read(written);
            assert_eq!(
                (found.as_str(), user.as_str(), name.as_deref()),
                (host, "ann", Some(database))
            );
            let location: Location = written.parse().unwrap();
            assert_eq!(location.to_string(), "postgres://db:5432/shop");
            assert_eq!(format!("{location:?}"), "Location(\"postgres://db:5432/shop\")");
        }
        assert_eq!(decoded("p%40s%zz%"), "p@s%zz%");
    }

    #[test]
    fn audit_db_001_what_is_not_understood_is_said() {
        for (text, said) in [
            ("mysql://x/y", "`mysql` is not a database this host knows"),
            ("postgres://a@db:http/x", "the port is not a number"),
            ("postgres://a@db/x?sslmode=maybe", "sslmode is `maybe`"),
            ("postgres://a@db/x?colour=red", "the option `colour` is not known"),
            (" ", "it is empty"),
        ] {
            let error = text.parse::<Location>().unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn anything_else_is_a_file() {
        for (text, path) in
            [("data/gencode.db", "data/gencode.db"), ("sqlite:///a/b", "/a/b"), ("sqlite:c", "c")]
        {
            assert!(matches!(text.parse(), Ok(Location::File(found)) if found == Path::new(path)));
        }
    }
}
