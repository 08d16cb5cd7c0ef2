//! Files and folders appear whole or not at all; what is no regular file is not read.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use earmark_fs::{AtomicFile, AtomicFolder, persist, read, read_to_string, sweep, sync_tree, write};

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
    let new = AtomicFolder::create(&target).unwrap();
    fs::write(new.path().join("x"), "x").unwrap();
    new.commit().expect("an empty folder gives way");
    assert_eq!(names(&target), ["x"]);

    let second = AtomicFolder::create(&target).unwrap();
    fs::write(second.path().join("y"), "y").unwrap();
    assert_eq!(second.commit().unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(names(&target), ["x"]);
    assert_eq!(names(parent.path()), ["run"]);

    let third = AtomicFolder::create(&target).unwrap();
    fs::write(third.path().join("z"), "z").unwrap();
    third.replace().unwrap();
    assert_eq!(names(&target), ["z"]);
    assert_eq!(names(parent.path()), ["run"]);
}

#[test]
fn a_sweep_takes_what_the_dead_left_and_nothing_of_the_living() {
    let parent = tempfile::tempdir().unwrap();
    let living_file = AtomicFile::create(parent.path().join("a")).unwrap();
    let living_folder = AtomicFolder::create(parent.path().join("b")).unwrap();
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

#[cfg(unix)]
#[test]
fn what_is_replaced_keeps_its_mode_its_link_and_its_nature() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let folder = tempfile::tempdir().unwrap();
    let (private, link) = (folder.path().join("private"), folder.path().join("link"));
    fs::write(&private, "before").unwrap();
    fs::set_permissions(&private, fs::Permissions::from_mode(0o600)).unwrap();
    symlink("private", &link).unwrap();
    write(&link, "after").unwrap();
    assert!(link.is_symlink());
    assert_eq!(fs::read(&private).unwrap(), b"after");
    assert_eq!(fs::metadata(&private).unwrap().permissions().mode() & 0o777, 0o600);

    symlink("nothing", folder.path().join("broken")).unwrap();
    let error = write(folder.path().join("broken"), "x").unwrap_err();
    assert!(error.to_string().contains("broken link"), "{error}");
    assert!(!folder.path().join("nothing").exists());
    // As root, a rename would put a file in place of the device.
    assert!(write("/dev/null", "x").unwrap_err().to_string().contains("not a regular file"));
    assert_eq!(write(folder.path(), "x").unwrap_err().kind(), ErrorKind::IsADirectory);
    assert_eq!(names(folder.path()), ["broken", "link", "private"]);
}

#[cfg(unix)]
#[test]
fn a_secret_is_for_its_owner_alone_also_in_place_of_a_file_for_everybody() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for before in [None, Some(0o644)] {
        if let Some(before) = before {
            fs::set_permissions(&path, fs::Permissions::from_mode(before)).unwrap();
        }
        let file = AtomicFile::create_private(&path).unwrap();
        assert_eq!(mode(file.path()), 0o600);
        file.commit().unwrap();
        assert_eq!(mode(&path), 0o600);
    }
}

#[test]
fn a_file_that_a_writer_put_in_place_of_ours_is_the_one_that_lands() {
    let folder = tempfile::tempdir().unwrap();
    let file = AtomicFile::create(folder.path().join("a")).unwrap();
    fs::write(folder.path().join("theirs"), "theirs").unwrap();
    fs::rename(folder.path().join("theirs"), file.path()).unwrap();
    file.commit().unwrap();
    assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"theirs");
    assert_eq!(names(folder.path()), ["a"]);
}

#[test]
fn a_complete_file_is_moved_over_the_one_that_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let (new, target) = (folder.path().join("new"), folder.path().join("target"));
    fs::write(&target, "old").unwrap();
    fs::write(&new, "new").unwrap();
    persist(&new, &target).unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"new");
    assert_eq!(names(folder.path()), ["target"]);
    assert_eq!(persist(&new, &target).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(fs::read(&target).unwrap(), b"new");
}

#[cfg(unix)]
#[test]
fn a_sweep_takes_nothing_that_this_crate_did_not_make() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let theirs = [
        ".unfinished-",
        ".unfinished-notes",
        ".unfinished-1",
        ".unfinished-1-",
        ".unfinished-1-2-3",
        ".unfinished-1-x",
    ];
    for name in theirs {
        fs::write(path(name), "theirs").unwrap();
    }
    // Names that we could give, on what we do not make.
    symlink(path(".unfinished-notes"), path(".unfinished-1-1")).unwrap();
    fs::create_dir(path(".unfinished-1-2")).unwrap();
    fs::write(path(".unfinished-1-2/mine"), "theirs").unwrap();
    fs::create_dir_all(path(".unfinished-1-3/lock")).unwrap();
    // A lock that names a place outside the folder.
    fs::create_dir_all(path(".unfinished-1-4/old")).unwrap();
    fs::write(path(".unfinished-1-4/lock"), "../elsewhere").unwrap();
    let before = names(folder.path());
    assert_eq!(sweep(folder.path()).unwrap(), 0);
    assert_eq!(names(folder.path()), before);
    // One that died between making the folder and its lock.
    fs::create_dir(path(".unfinished-1-5")).unwrap();
    assert_eq!(sweep(folder.path()).unwrap(), 1);
    assert_eq!(names(folder.path()), before);
    assert_eq!(sweep(&path("missing")).unwrap(), 0);
}

#[cfg(unix)]
#[test]
fn names_are_bytes() {
    use std::os::unix::ffi::OsStrExt as _;
    let parent = tempfile::tempdir().unwrap();
    let targets =
        [&b"run-\xff"[..], b"run-\xfe"].map(|name| parent.path().join(std::ffi::OsStr::from_bytes(name)));
    for (target, text) in targets.iter().zip(["first", "second"]) {
        let folder = AtomicFolder::create(target).unwrap();
        write(folder.path().join("a"), text).unwrap();
        folder.commit().unwrap();
    }
    // Killed between the two renames of a replacement.
    let dead = parent.path().join(".unfinished-0-0");
    fs::create_dir(&dead).unwrap();
    fs::write(dead.join("lock"), b"run-\xff").unwrap();
    fs::rename(&targets[0], dead.join("old")).unwrap();
    assert_eq!(sweep(parent.path()).unwrap(), 1);
    for (target, text) in targets.iter().zip(["first", "second"]) {
        assert_eq!(fs::read(target.join("a")).unwrap(), text.as_bytes());
    }
}

#[test]
fn a_tree_of_many_files_is_synced_and_links_in_it_are_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    for n in 0..200 {
        let sub = folder.path().join(format!("{}/{}", n % 3, n % 5));
        fs::create_dir_all(&sub).unwrap();
        fs::write(sub.join(n.to_string()), "x").unwrap();
    }
    #[cfg(unix)]
    std::os::unix::fs::symlink(".", folder.path().join("loop")).unwrap();
    sync_tree(folder.path()).unwrap();
}

/// A process that does nothing but write until it is killed, and one that has no room.
#[cfg(unix)]
#[allow(clippy::unwrap_used, reason = "what a helper cannot open fails its test")]
mod killed {
    use std::process::{Child, Command, Stdio};
    use std::thread::sleep;
    use std::time::Duration;

    use super::*;

    const FOLDER: &str = "EARMARK_FS_CHILD";

    /// Not a test of its own: what the others start.
    #[test]
    fn child() {
        let Some(folder) = std::env::var_os(FOLDER) else { return };
        let folder = Path::new(&folder);
        for round in 0_u32.. {
            let bytes = vec![round as u8; 300_000];
            let file = write(folder.join("file"), &bytes);
            let new = AtomicFolder::create(folder.join("tree")).unwrap();
            let filled = (0..3).try_for_each(|n| fs::write(new.path().join(n.to_string()), &bytes[..9_000]));
            let replaced = filled.and_then(|()| new.replace());
            if std::env::var_os("EARMARK_FS_ONCE").is_some() {
                let full =
                    |done: std::io::Result<()>| done.is_err_and(|e| e.kind() == ErrorKind::FileTooLarge);
                assert!(full(file) && replaced.is_ok(), "the large file has no room, the small ones have");
                return;
            }
            file.and(replaced).unwrap();
        }
    }

    fn start(folder: &Path, prefix: &str, once: bool) -> Child {
        let exe = std::env::current_exe().unwrap();
        let line = format!("{prefix} exec \"$0\" --exact killed::child --nocapture");
        let mut command = Command::new("sh");
        command.args(["-c", &line]).arg(exe).env(FOLDER, folder);
        if once {
            command.env("EARMARK_FS_ONCE", "1");
        }
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    #[track_caller]
    fn all_of_one_round(folder: &Path) {
        let of_one = |bytes: &[u8]| bytes.iter().all(|byte| *byte == bytes[0]);
        let file = fs::read(folder.join("file")).unwrap();
        assert!(file.len() == 300_000 && of_one(&file));
        let tree: Vec<_> =
            (0..3).map(|n| fs::read(folder.join("tree").join(n.to_string())).unwrap()).collect();
        assert!(tree.iter().all(|file| file.len() == 9_000) && of_one(&tree.concat()));
    }

    #[test]
    fn a_kill_at_any_moment_leaves_the_old_or_the_new_and_a_sweep_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..25_u64 {
            let mut child = start(folder.path(), "", false);
            let mut waited = 0;
            while !folder.path().join("tree").exists() && waited < 500 {
                sleep(Duration::from_millis(10));
                waited += 1;
            }
            // Somebody who sweeps meanwhile takes nothing of a living process.
            sweep(folder.path()).unwrap();
            sleep(Duration::from_millis(7 * round % 40));
            assert!(child.try_wait().unwrap().is_none(), "it fell over by itself");
            child.kill().unwrap();
            child.wait().unwrap();
            sweep(folder.path()).unwrap();
            all_of_one_round(folder.path());
            assert_eq!(names(folder.path()), ["file", "tree"], "round {round}");
        }
    }

    #[test]
    fn no_room_is_an_error_and_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path().join("file"), vec![7; 300_000]).unwrap();
        // 64 blocks of 512 bytes or of 1 KiB; the signal would end it before the error is seen.
        let mut child = start(folder.path(), "trap '' XFSZ; ulimit -f 64;", true);
        assert!(child.wait().unwrap().success());
        all_of_one_round(folder.path());
        assert_eq!(fs::read(folder.path().join("file")).unwrap()[0], 7);
        assert_eq!(names(folder.path()), ["file", "tree"]);
    }
}

#[test]
fn a_git_lfs_pointer_is_refused_with_the_cure() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 94771728\n";
    fs::write(&path, pointer).unwrap();
    for error in [earmark_fs::open(&path).unwrap_err(), read(&path, 1 << 20).unwrap_err()] {
        let said = error.to_string();
        assert!(said.contains("94771728 bytes") && said.contains("git lfs pull"), "{said}");
    }
    // Any other short file is read from its beginning.
    fs::write(&path, "version 2").unwrap();
    assert_eq!(read(&path, 100).unwrap(), b"version 2");
}
