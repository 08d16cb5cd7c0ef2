//! Files and folders appear whole or not at all; what is no regular file is not read.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use earmark_fs::{AtomicFile, NewFolder, read, read_to_string, sweep, write};

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("it can be listed").file_name().into_string().expect("ASCII"))
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_that_is_dropped_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    write(&path, "before").unwrap();
    let mut file = AtomicFile::create(&path).unwrap();
    file.write_all(b"half").unwrap();
    drop(file);
    assert_eq!(fs::read(&path).unwrap(), b"before");
    assert_eq!(names(folder.path()), ["a"]);
    write(&path, "after").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"after");
    assert_eq!(names(folder.path()), ["a"]);
}

#[cfg(unix)]
#[test]
fn a_new_file_is_readable_by_whom_the_umask_says() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("usual"), "").unwrap();
    write(folder.path().join("ours"), "").unwrap();
    let mode = |name| fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
    assert_eq!(mode("ours"), mode("usual"));
}

#[test]
fn a_folder_is_not_put_over_one_that_holds_something() {
    let parent = tempfile::tempdir().unwrap();
    let target = parent.path().join("run");
    fs::create_dir(&target).unwrap();
    let new = NewFolder::create(&target).unwrap();
    fs::write(new.path().join("x"), "x").unwrap();
    new.commit().expect("an empty folder gives way");
    assert_eq!(names(&target), ["x"]);

    let second = NewFolder::create(&target).unwrap();
    fs::write(second.path().join("y"), "y").unwrap();
    assert_eq!(second.commit().unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(names(&target), ["x"]);
    assert_eq!(names(parent.path()), ["run"]);

    let third = NewFolder::create(&target).unwrap();
    fs::write(third.path().join("z"), "z").unwrap();
    third.replace().unwrap();
    assert_eq!(names(&target), ["z"]);
    assert_eq!(names(parent.path()), ["run"]);
}

#[test]
fn a_sweep_takes_what_the_dead_left_and_nothing_of_the_living() {
    let parent = tempfile::tempdir().unwrap();
    let living_file = AtomicFile::create(parent.path().join("a")).unwrap();
    let living_folder = NewFolder::create(parent.path().join("b")).unwrap();
    fs::write(parent.path().join("theirs"), "").unwrap();
    fs::write(parent.path().join(".unfinished-0-0"), "half").unwrap();
    // A process died between moving the old checkpoint away and giving the new one its name.
    let dead = parent.path().join(".unfinished-0-1");
    fs::create_dir_all(dead.join("old")).unwrap();
    fs::write(dead.join("old").join("weights"), "good").unwrap();
    fs::write(dead.join("lock"), "checkpoint-1").unwrap();
    assert_eq!(sweep(parent.path()).unwrap(), 2);
    assert_eq!(fs::read(parent.path().join("checkpoint-1").join("weights")).unwrap(), b"good");
    assert!(living_file.path().exists() && living_folder.path().exists());
    drop((living_file, living_folder));
    assert_eq!(names(parent.path()), ["checkpoint-1", "theirs"]);
}

#[test]
fn reads_stop_at_their_limit_and_at_what_is_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    fs::write(&path, [b'x'; 100]).unwrap();
    assert_eq!(read(&path, 100).unwrap().len(), 100);
    let error = read(&path, 99).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::FileTooLarge);
    assert!(error.to_string().contains("99 bytes"), "{error}");
    assert!(read(folder.path(), 100).unwrap_err().to_string().contains("folder"));
    fs::write(&path, b"ab\xff").unwrap();
    assert!(read_to_string(&path, 100).unwrap_err().to_string().contains("byte 2"));
}

#[cfg(unix)]
#[test]
fn a_fifo_and_a_device_are_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    if std::process::Command::new("mkfifo").arg(&fifo).status().is_ok_and(|status| status.success()) {
        assert!(read(&fifo, 100).unwrap_err().to_string().contains("regular"));
    }
    assert!(read("/dev/zero", 100).unwrap_err().to_string().contains("regular"));
}
