//! What the kernel does to files for a ring.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;

use ringdove::sys::count::{self, Counter};
use ringdove::sys::file::{FileDone, FileOp};
use ringdove::sys::streams::Room;
use ringdove::sys::{Buffers, Errno, Streams, clock};

use crate::support::{PATIENCE, every_step, small};

fn streams_with(options: &ringdove::sys::ring::Options) -> Option<Streams> {
    let room = Room { streams: 8, buffers: Buffers { count: 8, size: 4096 } };
    match Streams::new(options, room) {
        Ok(streams) => Some(streams),
        Err(error) => {
            eprintln!("skipped: {error}");
            None
        }
    }
}

/// Waits for the outcome of what was started.
fn done(streams: &mut Streams) -> FileDone {
    let until = clock::now() + PATIENCE;
    loop {
        while streams.take_event().is_some() {}
        if let Some((user, done)) = streams.take_file() {
            assert_eq!(user, 7);
            return done;
        }
        let now = clock::now();
        assert!(now < until, "nothing is done");
        streams.submit_and_wait(now, Some(until)).unwrap();
    }
}

fn perform(streams: &mut Streams, op: FileOp) -> FileDone {
    streams.start_file(7, op).unwrap();
    done(streams)
}

fn write(streams: &mut Streams, file: OwnedFd, bytes: &[u8]) -> (OwnedFd, usize) {
    let op = FileOp::Write { file, bytes: bytes.to_vec(), from: 0, at: None };
    let FileDone::Moved(file, back, Ok(written)) = perform(streams, op) else { panic!() };
    assert_eq!(back, bytes, "they come back");
    (file, written)
}

#[test]
fn a_file_is_made_written_closed_and_renamed_on_every_kind_of_ring() {
    let directory = tempfile::tempdir().unwrap();
    for options in every_step() {
        let Some(mut streams) = streams_with(&options) else { continue };
        let [aside, path] = ["aside", "path"].map(|name| directory.path().join(name));
        let look = |path: &Path| FileOp::Look { path: path.to_owned() };
        assert!(matches!(perform(&mut streams, look(&path)), FileDone::Looked(Ok(None))));
        let make = || FileOp::Make { path: aside.clone(), mode: 0o640 };
        let FileDone::Opened(Ok(file)) = perform(&mut streams, make()) else { panic!() };
        assert!(matches!(perform(&mut streams, make()), FileDone::Opened(Err(Errno::EEXIST))));
        let (file, first) = write(&mut streams, file, b"one ");
        let (file, second) = write(&mut streams, file, b"two");
        assert_eq!((first, second), (4, 3));
        assert!(matches!(perform(&mut streams, FileOp::Close { file }), FileDone::Closed(Ok(()))));
        let rename = FileOp::Rename { from: aside.clone(), to: path.clone(), replace: true };
        assert!(matches!(perform(&mut streams, rename), FileDone::Renamed(Ok(()))));
        let FileDone::Looked(Ok(Some(found))) = perform(&mut streams, look(&path)) else {
            panic!()
        };
        assert_eq!(found.mode & !0o640, 0, "the umask takes some");
        assert_eq!(fs::read(&path).unwrap(), b"one two", "each where the one before ended");
        let remove = || FileOp::Remove { path: path.clone() };
        assert!(matches!(perform(&mut streams, remove()), FileDone::Removed(Ok(()))));
        assert!(matches!(perform(&mut streams, remove()), FileDone::Removed(Err(Errno::ENOENT))));
        assert_eq!(streams.in_use(), Default::default());
    }
}

#[test]
fn a_write_goes_on_where_the_file_stands() {
    let Some(mut streams) = streams_with(&small()) else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    fs::write(&path, "0123456789").unwrap();
    let mut file = OpenOptions::new().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(4)).unwrap();
    let (file, _) = write(&mut streams, file.into(), b"ab");
    File::from(file).write_all(b"cd").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"0123abcd89");
}

#[test]
fn a_file_is_opened_and_read_where_it_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    fs::write(&path, "0123456789").unwrap();
    for options in every_step() {
        let Some(mut streams) = streams_with(&options) else { continue };
        let open = |path: &Path| FileOp::Open { path: path.to_owned() };
        let no_file = open(&directory.path().join("none"));
        let opened = perform(&mut streams, no_file);
        assert!(matches!(opened, FileDone::Opened(Err(Errno::ENOENT))));
        let FileDone::Opened(Ok(mut file)) = perform(&mut streams, open(&path)) else { panic!() };
        for (at, read) in [(4, "4567"), (8, "89"), (10, "")] {
            let op = FileOp::Read { file, bytes: vec![0; 4], at };
            let FileDone::Moved(back, bytes, Ok(length)) = perform(&mut streams, op) else {
                panic!()
            };
            assert_eq!(&bytes[..length], read.as_bytes());
            file = back;
        }
        assert!(matches!(perform(&mut streams, FileOp::Close { file }), FileDone::Closed(Ok(()))));
        assert_eq!(streams.in_use(), Default::default());
    }
}

#[test]
fn a_ring_takes_no_file_away_that_it_has_no_operation_for() {
    let Some(mut streams) = streams_with(&small()) else { return };
    let rename = FileOp::Rename { from: "a".into(), to: "b".into(), replace: false };
    assert!(streams.start_file(7, rename).is_err());
    let no_name = FileOp::Remove { path: "a\0b".into() };
    let back = streams.start_file(7, no_name).expect_err("it is no name");
    assert!(matches!(back.perform(), FileDone::Removed(Err(_))));
}

/// Nobody reads of the pipe: the write would never end.
#[test]
fn a_ring_that_ends_waits_for_no_write_that_does_not() {
    let Some(mut streams) = streams_with(&small()) else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let pipe = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let bytes = vec![0; 4 << 20];
    streams.start_file(7, FileOp::Write { file: pipe.into(), bytes, from: 0, at: None }).unwrap();
    let now = clock::now();
    streams.submit_and_wait(now, Some(now)).unwrap();
    assert_eq!(streams.in_use().files, 1);
    let before = count::snapshot();
    assert_eq!(streams.shutdown(PATIENCE), 0);
    assert_eq!(count::snapshot().since(&before).get(Counter::LeakedCqes), 0);
}
