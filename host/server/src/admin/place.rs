//! Where the admin socket is, and how it is reached where paths are too long for sockets.
//!
//! The system takes only short paths for sockets. Through an open directory every socket has a short one, on systems that
//! show a process its open files under `/proc`.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};
use thiserror::Error;

/// The socket's name in the data directory.
pub const SOCKET_FILE: &str = "admin.sock";
/// The longest path of a socket, in bytes: 108 with the 0 at its end (unix(7)).
pub const SOCKET_PATH_BYTES_MAX: usize = 107;
/// How many may wait to be asked in.
const BACKLOG: i32 = 16;

/// Why there can be no socket in a data directory, or none is reached.
#[derive(Debug, Error)]
pub enum PlaceError {
    /// The path is too long, and there is no way around.
    #[error(
        "the path {} is {bytes} bytes; the limit for a socket is {SOCKET_PATH_BYTES_MAX}\n\
         hint: choose a data directory with a shorter path with --data",
        path.display()
    )]
    LongPath {
        /// The path.
        path: PathBuf,
        /// Its length.
        bytes: usize,
    },
    /// Something else has its name.
    #[error("{} is no socket\nhint: move it away", path.display())]
    NoSocket {
        /// The path.
        path: PathBuf,
    },
    /// The system refuses it.
    #[error("cannot {what} {}: {error}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
}

/// The place of a data directory's admin socket.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    /// By which the system finds it.
    short: PathBuf,
    /// Kept open for as long as the short path is used.
    _directory: Option<File>,
}

impl Place {
    /// The place in this data directory.
    pub fn of(data: &Path) -> Result<Place, PlaceError> {
        let path = data.join(SOCKET_FILE);
        let bytes = path.as_os_str().len();
        if bytes <= SOCKET_PATH_BYTES_MAX {
            return Ok(Place { short: path.clone(), path, _directory: None });
        }
        let directory = File::open(data).map_err(|error| {
            let path = data.to_owned();
            PlaceError::Io { what: "open", path, error }
        })?;
        let short = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()));
        if !short.exists() {
            return Err(PlaceError::LongPath { path, bytes });
        }
        Ok(Place { short: short.join(SOCKET_FILE), path, _directory: Some(directory) })
    }

    /// Where the socket is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Listens there, for this user alone. A socket that is there is replaced.
    pub(crate) fn listen(&self) -> Result<UnixListener, PlaceError> {
        let failed =
            |what: &'static str| move |error| PlaceError::Io { what, path: self.path.clone(), error };
        match fs::symlink_metadata(&self.path) {
            Ok(found) if found.file_type().is_socket() => {
                fs::remove_file(&self.path).map_err(failed("replace"))?;
            }
            Ok(_) => return Err(PlaceError::NoSocket { path: self.path.clone() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("look for")(error)),
        }
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(failed("make"))?;
        // Before there is a file, so that nobody else can open it even for a moment.
        let socket = File::from(OwnedFd::from(socket));
        socket.set_permissions(Permissions::from_mode(0o600)).map_err(failed("protect"))?;
        let socket = Socket::from(OwnedFd::from(socket));
        let address = SockAddr::unix(&self.short).map_err(failed("listen on"))?;
        socket.bind(&address).map_err(failed("listen on"))?;
        // Where the system does not take the socket's own mode for the file's.
        fs::set_permissions(&self.path, Permissions::from_mode(0o600)).map_err(failed("protect"))?;
        socket.listen(BACKLOG).map_err(failed("listen on"))?;
        socket.set_nonblocking(true).map_err(failed("listen on"))?;
        Ok(OwnedFd::from(socket).into())
    }

    /// Connects to the host that listens there. `None` if none does.
    pub(crate) fn connect(&self) -> Result<Option<UnixStream>, PlaceError> {
        match UnixStream::connect(&self.short) {
            Ok(stream) => Ok(Some(stream)),
            // Nothing there; or what a host has left that was killed.
            Err(error)
                if [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused].contains(&error.kind()) =>
            {
                Ok(None)
            }
            Err(error) => Err(PlaceError::Io { what: "connect to", path: self.path.clone(), error }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::{Place, PlaceError, SOCKET_FILE};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_socket_is_for_its_owner_alone_and_a_stale_one_is_replaced() {
        let data = tempfile::tempdir().unwrap();
        let place = Place::of(data.path()).unwrap();
        assert!(place.connect().unwrap().is_none(), "nothing is there");
        let first = place.listen().unwrap();
        assert_eq!(mode(place.path()), 0o600);
        assert!(place.connect().unwrap().is_some());
        drop(first);
        assert!(place.path().exists() && place.connect().unwrap().is_none(), "it is stale");
        let _second = place.listen().unwrap();
        assert!(place.connect().unwrap().is_some());
    }

    #[test]
    fn what_is_no_socket_is_not_replaced() {
        let data = tempfile::tempdir().unwrap();
        fs::write(data.path().join(SOCKET_FILE), "precious").unwrap();
        let error = Place::of(data.path()).unwrap().listen().unwrap_err();
        assert!(matches!(error, PlaceError::NoSocket { .. }), "{error}");
        assert_eq!(fs::read(data.path().join(SOCKET_FILE)).unwrap(), b"precious");
    }

    #[test]
    fn a_path_that_is_too_long_for_sockets_is_reached_all_the_same() {
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("x".repeat(200));
        fs::create_dir(&data).unwrap();
        let place = Place::of(&data).unwrap();
        let _listener = place.listen().unwrap();
        assert_eq!(mode(&data.join(SOCKET_FILE)), 0o600);
        let other = Place::of(&data).unwrap();
        assert!(other.connect().unwrap().is_some());
    }
}
