//! Where lines go: files with a bound, or stdout. A write is done wholly, or it has left nothing behind.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::files::{self, Head};
use super::{Fsync, Settings};

/// A place for lines.
pub(super) enum Sink {
    Files(Files),
    Stdout(Stdout),
}

/// Files of a directory.
pub(super) struct Files {
    directory: PathBuf,
    fsync: Fsync,
    rotate_bytes: u64,
    rotate_after: Option<Duration>,
    current: Option<Current>,
    /// A file that was begun, but has no line yet.
    unborn: Option<PathBuf>,
    _lock: File,
}

struct Current {
    file: File,
    /// How much of it is sound.
    length: u64,
    begun: Instant,
    /// Whether it may hold more than that.
    torn: bool,
}

/// Stdout. What was written to it in part cannot be taken back, so a failure is for good.
#[derive(Default)]
pub(super) struct Stdout {
    begun: bool,
    broken: bool,
}

impl Sink {
    pub(super) fn files(settings: &Settings, directory: &Path, lock: File) -> Sink {
        Sink::Files(Files {
            directory: directory.to_owned(),
            fsync: settings.fsync,
            rotate_bytes: u64::try_from(settings.rotate_bytes).unwrap_or(u64::MAX),
            rotate_after: settings.rotate_after,
            current: None,
            unborn: None,
            _lock: lock,
        })
    }

    pub(super) fn stdout() -> Sink {
        Sink::Stdout(Stdout::default())
    }

    /// Whether a file has to be begun before anything can be written.
    pub(super) fn wants_beginning(&self) -> bool {
        match self {
            Sink::Files(files) => files.current.is_none(),
            Sink::Stdout(stdout) => !stdout.begun,
        }
    }

    /// Whether the file has become too large or too old.
    pub(super) fn wants_rotation(&self) -> bool {
        match self {
            Sink::Files(files) => files.current.as_ref().is_some_and(|current| {
                current.length >= files.rotate_bytes
                    || files
                        .rotate_after
                        .is_some_and(|age| current.begun.elapsed() >= age)
            }),
            Sink::Stdout(_) => false,
        }
    }

    /// When the file will be too old.
    pub(super) fn rotation_due(&self) -> Option<Instant> {
        match self {
            Sink::Files(files) => {
                let begun = files.current.as_ref()?.begun;
                begun.checked_add(files.rotate_after?)
            }
            Sink::Stdout(_) => None,
        }
    }

    /// Begins a file, or stdout, with a line.
    pub(super) fn begin(&mut self, first: u64, line: &[u8]) -> io::Result<()> {
        match self {
            Sink::Files(files) => files.begin(first, line),
            Sink::Stdout(stdout) => {
                stdout.write(line)?;
                stdout.begun = true;
                Ok(())
            }
        }
    }

    /// Writes lines.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Sink::Files(files) => files.append(lines),
            Sink::Stdout(stdout) => stdout.write(lines),
        }
    }

    /// Forces onto the disk what was written.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        match self {
            Sink::Files(files) => files.sync(),
            Sink::Stdout(_) => Ok(()),
        }
    }

    /// The file is complete.
    pub(super) fn end(&mut self) {
        match self {
            Sink::Files(files) => files.current = None,
            Sink::Stdout(_) => {}
        }
    }

    /// Clears away what a failed write may have left behind. A new file begins after it.
    pub(super) fn recover(&mut self) -> io::Result<()> {
        match self {
            Sink::Files(files) => files.recover(),
            Sink::Stdout(_) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Writes down how far the chain has come.
    pub(super) fn write_head(&self, head: &Head) -> io::Result<()> {
        match self {
            Sink::Files(files) => head.write(&files.directory),
            Sink::Stdout(_) => Ok(()),
        }
    }
}

impl Files {
    fn begin(&mut self, first: u64, line: &[u8]) -> io::Result<()> {
        let path = self.directory.join(files::name(first));
        if self.unborn.as_ref() == Some(&path) {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => self.unborn = None,
            }
        }
        let mut file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o640)
            .open(&path)?;
        self.unborn = Some(path);
        file.write_all(line)?;
        if self.fsync != Fsync::Never {
            file.sync_all()?;
            File::open(&self.directory)?.sync_all()?;
        }
        self.unborn = None;
        self.current = Some(Current {
            file,
            length: length(line),
            begun: Instant::now(),
            torn: false,
        });
        Ok(())
    }

    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let fsync = self.fsync;
        let current = self.current.as_mut().ok_or(io::ErrorKind::NotFound)?;
        current.torn = true;
        current.file.write_all(lines)?;
        if fsync == Fsync::Always {
            // After a failed one nobody knows what is on the disk: the lines are written again, elsewhere.
            current.file.sync_data()?;
        }
        current.torn = false;
        current.length += length(lines);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        match &self.current {
            Some(current) if self.fsync != Fsync::Never => current.file.sync_data(),
            _ => Ok(()),
        }
    }

    fn recover(&mut self) -> io::Result<()> {
        if let Some(current) = &mut self.current
            && current.torn
        {
            current.file.set_len(current.length)?;
            current.torn = false;
        }
        self.current = None;
        Ok(())
    }
}

impl Stdout {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let mut out = io::stdout().lock();
        let written = out.write_all(lines).and_then(|()| out.flush());
        self.broken = written.is_err();
        written
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
