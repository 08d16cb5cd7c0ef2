//! `earmark push`, `login`, `whoami`, `logout`, `train --push-to-hub` and interrupted downloads, against a Hub on loopback.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::ops::Deref;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use earmark_testkit::http::{BodyFault, Response};
use earmark_testkit::hub::{LoopbackHub, sha256};
use earmark_testkit::tone;

use crate::work_dir::{Ran, WorkDir};

const TOKEN: &str = "hf_secretwritesecretwrite";
const TRAIN: &str = "train --data data --from-scratch tiny.json --output run --epochs 2 --batch-size 4 \
                     --test-size 0.25 --push-to-hub me/tiny";

/// A folder and a Hub, which knows the token.
struct Account {
    work: WorkDir,
    hub: LoopbackHub,
}

impl Deref for Account {
    type Target = WorkDir;

    fn deref(&self) -> &WorkDir {
        &self.work
    }
}

impl Account {
    fn new() -> Account {
        let place = Account { work: WorkDir::online(), hub: LoopbackHub::start() };
        place.hub.add_token(TOKEN, "me", true);
        place
    }

    /// With a model in `model/`, which classifies.
    fn with_model() -> Account {
        let place = Account::new();
        place.copy_model("speech/group", "model");
        place
    }

    /// Here, with the Hub and without a token.
    fn prepare(&self, command: Command) -> Command {
        let mut command = self.work.prepare(command);
        command.env("HF_HOME", self.path("home")).env("HF_ENDPOINT", self.hub.url());
        command
    }

    fn command(&self, args: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_earmark"));
        command.args(args.split_whitespace());
        self.prepare(command)
    }

    /// Runs a command with `input` on standard input. No secret is on stdout or stderr.
    #[track_caller]
    fn run_with(command: &mut Command, input: &str) -> Ran {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap();
        // A command that reads nothing may be gone already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let ran = Ran::end_of(child);
        for text in [&ran.out, &ran.err] {
            assert!(!text.contains("secret") && !text.contains("s3cr3t"), "{text}");
        }
        ran
    }

    #[track_caller]
    fn run(&self, args: &str) -> Ran {
        Account::run_with(&mut self.command(args), "")
    }

    /// With the token in the environment.
    #[track_caller]
    fn run_as_me(&self, args: &str) -> Ran {
        Account::run_with(self.command(args).env("HF_TOKEN", TOKEN), "")
    }

    fn held(&self, revision: &str) -> Vec<String> {
        let files = self.hub.files("models/me/tiny", revision);
        files.into_keys().filter(|name| name != ".gitattributes").collect()
    }
}

mod accounts {
    use super::*;

    #[test]
    fn a_token_is_checked_kept_for_the_owner_alone_used_and_forgotten() {
        let place = Account::with_model();
        let kept = place.path("home/token");
        place.run("whoami").says(1, &["no token", "earmark login"]);
        place.run("login").says(1, &["no token on standard input"]);
        Account::run_with(&mut place.command("login"), "hf_nobodys")
            .says(1, &["the Hub rejected this token"]);
        assert!(!kept.exists());

        Account::run_with(&mut place.command("login"), &format!("{TOKEN}\n"))
            .says(0, &["logged in as me, role write"]);
        assert_eq!(fs::read_to_string(&kept).unwrap(), TOKEN);
        #[cfg(unix)]
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&kept).unwrap().permissions()) & 0o777,
            0o600
        );
        assert_eq!(place.run("whoami").says(0, &["write"]).out, "me\n");
        place.run("push model --repo tiny").says(0, &["verified 3 files"]);
        assert_eq!(place.held("main").len(), 3);
        place.run("logout").says(0, &["removed"]);
        assert!(!kept.exists());
        place.run("logout").says(0, &["no token is stored"]);

        // What is piped in is meant more than what happens to be set.
        let set = |command: &mut Command, input: &str| {
            Account::run_with(command.env("HF_TOKEN", "hf_another"), input)
        };
        set(&mut place.command("login"), TOKEN).says(0, &["logged in as me"]);
        place.run_as_me("login").says(0, &["logged in as me"]);
        place.write("mine.txt", TOKEN.as_bytes());
        place.run("login --token-file mine.txt").says(0, &["logged in as me"]);
        place.run("login --offline --token-file mine.txt").says(1, &["offline"]);
        // A token is no argument; the error of the command line repeats it.
        Ran::of(&mut place.command(&format!("login {TOKEN}"))).says(2, &[]);
    }

    /// Types the token at a terminal once that shows nothing any more.
    #[cfg(unix)]
    const AT_A_TERMINAL: &str = r#"
import os, pty, sys, termios, time
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:3])
while termios.tcgetattr(terminal)[3] & termios.ECHO:
    time.sleep(0.01)
os.write(terminal, sys.argv[3].encode() + b"\n")
try:
    while seen := os.read(terminal, 4096):
        os.write(1, seen)
except OSError:
    pass  # how Linux says that the other end is closed
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;

    #[cfg(unix)]
    #[test]
    fn a_token_that_is_typed_is_not_shown() {
        let place = Account::new();
        let mut python = Command::new("python3");
        python.args(["-c", AT_A_TERMINAL, env!("CARGO_BIN_EXE_earmark"), "login", TOKEN]);
        let ran = Account::run_with(&mut place.prepare(python), "");
        ran.well();
        assert!(
            ran.out.contains("it will not be shown") && ran.out.contains("logged in as me"),
            "{}",
            ran.out
        );
        assert!(!ran.out.contains(TOKEN), "{}", ran.out);
        assert_eq!(fs::read_to_string(place.path("home/token")).unwrap(), TOKEN);
    }
}

mod pushes {
    use super::*;

    #[test]
    fn a_pushed_model_is_found_by_its_name_and_names_the_same() {
        let place = Account::with_model();
        place.clip("clip.wav", tone(440.0, 0.5, 16_000));
        let said = place.run_as_me("push model --repo me/tiny --message First");
        assert_eq!(said.says(0, &["uploaded and verified 3 files"]).out, place.hub.url() + "/me/tiny\n");
        let (here, there) =
            (place.run("classify clip.wav --model model"), place.run("classify clip.wav --model me/tiny"));
        there.says(0, &[]);
        assert_eq!(here.out, there.out);
        place.run_as_me("push model --repo me/tiny").says(0, &["nothing to commit"]);
        assert_eq!(place.hub.commits("models/me/tiny"), 2);
        place.run_as_me("push model --repo me/tiny --revision next").says(0, &["nothing to commit"]);
        place.write("model/config.json", b"{\"model_type\": \"hubert\"}");
        let said = place.run_as_me("push model --repo me/tiny --create-pr");
        assert_eq!(said.says(0, &["verified 1 file,"]).out, place.hub.url() + "/me/tiny/discussions/1\n");
    }

    const CARD: &str = "---\nlicense: mit\n# as it was given\n---\n\n# Tiny\n";

    #[test]
    fn an_evaluation_is_published_on_the_card_and_for_leaderboards() {
        let place = Account::with_model();
        place.write_data();
        place.run_as_me("push model --repo me/tiny").well();
        let eval = "eval --data data --split all";
        place.run(&format!("{eval} --model me/tiny -o of-hub")).well();
        place.run(&format!("{eval} --model model -o scores")).well();
        let commit = place.json("of-hub/report.json")["model_commit"].as_str().unwrap().to_owned();
        assert_eq!(commit.len(), 40);
        assert!(place.read("of-hub/report.html").contains(&format!("me/tiny, commit {commit}")));
        assert!(place.json("scores/report.json").get("model_commit").is_none());

        let push = "push model --repo me/tiny --evaluation";
        place.run_as_me(&format!("{push} scores")).says(1, &["`model` has no README.md"]);
        place.write("model/README.md", CARD);
        place.run_as_me(&format!("{push} model")).says(1, &["`model` has no report.json", "earmark eval -o"]);
        place
            .run_as_me(&format!("{push} scores --evaluation of-hub"))
            .says(1, &["two of the evaluations", "`data`"]);
        // A folder is not on the Hub, so there is no leaderboard.
        place.run_as_me(&format!("{push} scores")).says(0, &["verified 2 files"]);
        let held = place.hub.files("models/me/tiny", "main");
        assert_eq!(held["evaluation/data-all.json"], place.read("scores/report.json").into_bytes());
        let accuracy = place.json("scores/report.json")["accuracy"].as_f64().unwrap();
        let card = String::from_utf8(held["README.md"].clone()).unwrap();
        assert!(
            card.starts_with("---\nlicense: mit\n# as it was given\nmodel-index:\n- name: tiny\n"),
            "{card}"
        );
        assert!(card.contains(&format!("      type: accuracy\n      value: {accuracy}\n")), "{card}");
        assert!(
            card.contains(
                "      url: \"https://huggingface.co/me/tiny/blob/main/evaluation/data-all.json\"\n"
            ),
            "{card}"
        );
        assert!(card.ends_with("\n---\n\n# Tiny\n"), "{card}");
        assert!(
            !place
                .held("main")
                .iter()
                .any(|name| name.starts_with(".eval_results") || name.ends_with(".html"))
        );
        assert_eq!(place.read("model/README.md"), CARD, "what is here is left alone");

        // Of a dataset of the Hub.
        let hub_dataset = serde_json::json!({"id": "PolyAI/minds14", "config": "en-AU", "split": "train"});
        let mut report = place.json("scores/report.json");
        report["hub_dataset"] = hub_dataset;
        report["dataset_commit"] = "0a".repeat(20).into();
        place.write("scores/report.json", report.to_string());
        place.run_as_me(&format!("{push} scores")).says(0, &["verified 3 files"]);
        let held = place.hub.files("models/me/tiny", "main");
        let yaml = String::from_utf8(held[".eval_results/data-all.yaml"].clone()).unwrap();
        assert!(
            yaml.starts_with("- dataset:\n    id: PolyAI/minds14\n    task_id: en-AU\n    revision: \"0a0a"),
            "{yaml}"
        );
        assert!(yaml.contains(&format!("  value: {accuracy}\n  date: \"20")), "{yaml}");
        let card = String::from_utf8(held["README.md"].clone()).unwrap();
        assert!(
            card.contains("      type: PolyAI/minds14\n      config: en-AU\n      split: train\n"),
            "{card}"
        );

        // Of other weights.
        place.copy_model("speech/unispeech", "other");
        place.write("other/README.md", CARD);
        place
            .run_as_me("push other --repo me/other --evaluation scores")
            .says(1, &["`scores` is of another model, `model`", "evaluate `other` itself"]);
    }

    #[test]
    fn results_that_lie_in_the_folder_of_the_model_are_published_with_it() {
        let place = Account::with_model();
        place.write_data();
        place.write("model/README.md", CARD);
        place.run("eval --data data --split all --model model -o model/scores").well();
        place
            .run_as_me("push model --repo me/tiny")
            .says(0, &["`scores` holds an evaluation", "sounds in report.html"]);
        let held = place.hub.files("models/me/tiny", "main");
        assert!(held.contains_key("scores/report.html") && held.contains_key("evaluation/data-all.json"));
        assert!(String::from_utf8(held["README.md"].clone()).unwrap().contains("type: accuracy"));
    }

    #[test]
    fn a_calibration_goes_along_and_calibrates_the_model_on_the_hub() {
        let place = Account::with_model();
        place.clip("clip.wav", tone(440.0, 0.5, 16_000));
        place.run_as_me("push model --repo me/tiny").well();
        place.run("classify clip.wav --model me/tiny --calibrated").says(
            1,
            &[
                "no `calibration.json` in `me/tiny`",
                "calibrate --model me/tiny",
                "-o DIR",
                "--calibrated=DIR",
            ],
        );
        place.write("calibrated/calibration.json", crate::calibration::temperature(2.5, "bell,rain,siren"));
        let plain = place.run("classify clip.wav --model me/tiny");
        let chosen = place.run("classify clip.wav --model me/tiny --calibrated=calibrated");
        assert_ne!(chosen.well().out, plain.well().out);

        // A run's model, whose card was written before.
        place.write("run/recipe.toml", "");
        for name in place.list("model") {
            place.write(format!("run/model/{name}"), fs::read(place.path(format!("model/{name}"))).unwrap());
        }
        place.write("run/model/README.md", "# A card\n");
        let calibration = fs::read(place.path("calibrated/calibration.json")).unwrap();
        place.write("run/model/calibration.json", &calibration);
        place.run_as_me("push run --repo me/tiny").says(0, &["verified 2 files"]);
        let beside = place.run("classify clip.wav --model me/tiny --calibrated");
        assert_eq!(beside.well().out, chosen.out);
        let card = String::from_utf8(place.hub.files("models/me/tiny", "main")["README.md"].clone()).unwrap();
        for part in ["# A card", "## Calibration", "fitted on 8 clips", "--model me/tiny --calibrated"] {
            assert!(card.contains(part), "no `{part}` in {card}");
        }
        assert_eq!(place.read("run/model/README.md"), "# A card\n");
        place.write("run/model/calibration.json", "{}");
        place.run_as_me("push run --repo me/tiny").says(1, &["run/model/calibration.json", "no calibration"]);
    }

    #[test]
    fn what_nobody_means_to_publish_stays_here() {
        let place = Account::with_model();
        place.write("model/.env", b"KEY=secret");
        place.write("model/.git/config", b"x");
        place.write("model/checkpoint-6/model.safetensors", b"x");
        place.write("model/extra/notes.txt", b"x");
        place
            .run_as_me("push model --repo me/tiny")
            .says(0, &["skipped .env", "skipped .git", "checkpoint-6/"]);
        assert_eq!(
            place.held("main"),
            ["config.json", "extra/notes.txt", "model.safetensors", "preprocessor_config.json"]
        );
        place.run_as_me("push model --repo me/tiny --checkpoints").says(0, &["verified 1 file,"]);

        for (name, text) in [("token", "x"), ("server.pem", "x"), ("notes.txt", TOKEN)] {
            place.write(format!("model/{name}"), text.as_bytes());
            place.run_as_me("push model --repo me/tiny").says(1, &[name, "looks like a token or a key"]);
            fs::remove_file(place.path("model").join(name)).unwrap();
        }
    }

    #[test]
    fn large_files_go_by_xet_where_the_hub_offers_it_and_by_git_lfs_when_told_so() {
        let mut place = Account::with_model();
        place.hub.offer_xet();
        for (repo, flag, by_git_lfs) in [("me/one", "--no-xet", 1), ("me/two", "", 1)] {
            let mut command = place.command(&format!("push model --repo {repo} {flag}"));
            command.env("HF_TOKEN", TOKEN).env("HF_HUB_DISABLE_XET", "0");
            Account::run_with(&mut command, "").says(0, &["verified 3 files"]);
            assert_eq!(place.hub.storage().count("PUT"), by_git_lfs);
            assert_eq!(place.hub.xet().connections() > 0, flag.is_empty());
        }
    }

    #[test]
    fn a_connection_that_drops_ends_with_its_cause_and_not_in_silence() {
        let place = Account::with_model();
        place.hub.storage().set_body_fault(Some(BodyFault::Disconnect(100)));
        let said = place.run_as_me("push model --repo me/tiny");
        said.says(1, &["`model.safetensors`", &place.hub.storage().url(), "push again"]);
        assert_eq!(said.out, "");
        place.hub.storage().set_body_fault(None);
        // The commit itself, whose files stand in its body.
        place.hub.server().set_body_fault(Some(BodyFault::Disconnect(1)));
        let said = place.run_as_me("push model --repo me/tiny");
        said.says(1, &["me/tiny", &place.hub.url()]);
        place.hub.server().set_body_fault(None);
        place.run_as_me("push model --repo me/tiny").says(0, &["verified 3 files"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_lead_nowhere_else_and_what_is_no_file_is_said() {
        use std::os::unix::ffi::OsStrExt as _;
        use std::os::unix::fs::symlink;
        let place = Account::with_model();
        place.write("mine.txt", b"mine");
        let link = place.path("model/notes.txt");
        symlink(place.path("mine.txt"), &link).unwrap();
        place.run_as_me("push model --repo me/tiny").says(1, &["notes.txt", "outside the folder"]);
        assert_eq!(place.hub.server().count("POST"), 0);
        fs::remove_file(&link).unwrap();
        symlink("config.json", &link).unwrap();
        symlink(place.path("home"), place.path("model/elsewhere")).unwrap();
        let fifo = Command::new("mkfifo").arg(place.path("model/fifo")).status().is_ok_and(|it| it.success());
        let words = ["skipped elsewhere", "skipped fifo"];
        place.run_as_me("push model --repo me/tiny").says(0, &words[..1 + usize::from(fifo)]);
        assert_eq!(
            place.held("main"),
            ["config.json", "model.safetensors", "notes.txt", "preprocessor_config.json"]
        );

        // A model in the Hub's cache is all links, to beside it.
        place.run("classify mine.txt --model me/tiny");
        let cached = place.path("home/hub/models--me--tiny/snapshots");
        let snapshot = fs::read_dir(cached).unwrap().next().unwrap().unwrap().path();
        let args = format!("push {} --repo me/copy", snapshot.display());
        place.run_as_me(&args).says(0, &["verified 3 files"]);

        let odd = std::ffi::OsStr::from_bytes(b"model/\xff.txt");
        fs::write(place.path(odd), "x").unwrap();
        place.run_as_me("push model --repo me/tiny").says(1, &["not UTF-8", "nothing was uploaded"]);
    }

    #[test]
    fn failures_say_what_to_do_and_a_repeat_succeeds() {
        let place = Account::with_model();
        place.run("push model --repo me/tiny").says(1, &["no token", "earmark login"]);
        place.run_as_me("push model --repo me/tiny --offline").says(1, &["offline: nothing was sent"]);
        place.run_as_me("push nowhere --repo me/tiny").says(1, &["no folder `nowhere`"]);
        place.run_as_me("push home --repo me/tiny").says(1, &["`home`"]);
        assert_eq!(place.hub.server().count("POST"), 0);
        let busy = || Response::new(503, "busy").header("Retry-After", "0");
        place.hub.set_storage_fault(move |_| Some(busy()));
        place.run_as_me("push model --repo me/tiny").says(1, &["503", "run it again"]);
        place.hub.clear_faults();
        place.run_as_me("push model --repo me/tiny").says(0, &["verified 3 files"]);
    }
}

mod training {
    use super::*;

    fn place() -> Account {
        let place = Account::new();
        place.write_data();
        place
    }

    #[test]
    fn a_training_pushes_its_saves_and_then_the_model_with_its_card() {
        let place = place();
        let said = place.run_as_me(&format!("{TRAIN} --hub-private"));
        said.says(0, &["pushing the model to me/tiny", "/me/tiny"]);
        assert_eq!(place.hub.is_private("models/me/tiny"), Some(true));
        let files = place.hub.files("models/me/tiny", "main");
        for name in
            ["config.json", "model.safetensors", "report.html", "confusion_matrix.svg", "metrics.jsonl"]
        {
            let local = ["run/model", "run"].map(|folder| place.path(folder).join(name));
            let local = local.into_iter().find(|path| path.exists()).unwrap();
            assert!(files[name] == fs::read(local).unwrap(), "{name}");
        }
        assert!(files.keys().any(|name| name.starts_with("runs/") && name.contains("tfevents")));
        let card = String::from_utf8(files["README.md"].clone()).unwrap();
        assert!(card.contains("--model me/tiny\n") && card.contains("model=\"me/tiny\""), "{card}");
        // The one that made it, at least one save, the end.
        assert!(place.hub.commits("models/me/tiny") >= 3);
        assert!(
            !fs::read_dir(place.path("run")).unwrap().any(|e| e
                .unwrap()
                .file_name()
                .to_string_lossy()
                .starts_with(".tmp"))
        );
        place.run_as_me("push run --repo me/tiny").says(0, &["nothing to commit"]);
    }

    #[test]
    fn a_push_that_fails_is_a_warning_and_the_run_is_whole() {
        let place = place();
        place.hub.set_fault(|request| {
            let write = request.path.contains("/repos/create");
            write.then(|| Response::new(500, "oops").header("Retry-After", "0"))
        });
        let said = place.run_as_me(TRAIN);
        said.says(0, &["warning: ", "earmark push run --repo me/tiny"]);
        place.hub.clear_faults();
        place.run_as_me("push run --repo me/tiny").says(0, &["verified "]);
        assert!(place.held("main").contains(&"model.safetensors".to_owned()));
    }

    #[test]
    fn offline_or_without_a_right_to_write_nothing_is_trained() {
        let place = place();
        place.hub.add_token("hf_readreadread", "me", false);
        place.run_as_me(&format!("{TRAIN} --offline")).says(1, &["nothing was trained", "offline"]);
        assert_eq!(place.hub.server().connections(), 0);
        place.run(TRAIN).says(1, &["nothing was trained", "no token"]);
        let read = Account::run_with(place.command(TRAIN).env("HF_TOKEN", "hf_readreadread"), "");
        read.says(1, &["role is write"]);
        assert!(!place.path("run").exists());
    }
}

#[cfg(unix)]
mod downloads {
    use super::*;

    /// A model whose weights are `size` bytes of no meaning: enough for a download, and nothing else is done with them.
    fn place(size: usize) -> (Account, Vec<u8>) {
        let place = Account::new();
        let weights: Vec<u8> =
            (0..size as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let files: [(&str, &[u8]); 2] =
            [("config.json", b"{\"model_type\": \"unheard of\"}"), ("model.safetensors", &weights)];
        place.hub.add("models/me/tiny", "main", &files);
        (place, weights)
    }

    /// A file that is renamed between the listing and the question for its size is left out.
    fn blobs(place: &Account) -> Vec<(String, u64)> {
        let folder = place.path("home/hub/models--me--tiny/blobs");
        let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
        let mut found: Vec<_> = entries
            .map(Result::unwrap)
            .filter_map(|entry| {
                Some((entry.file_name().into_string().unwrap(), entry.metadata().ok()?.len()))
            })
            .collect();
        found.sort();
        found
    }

    #[track_caller]
    fn whole(place: &Account, weights: &[u8]) {
        let _ = place.run("inspect me/tiny");
        let snapshots = place.path("home/hub/models--me--tiny/snapshots");
        let snapshot = fs::read_dir(snapshots).unwrap().next().unwrap().unwrap().path();
        assert!(fs::read(snapshot.join("model.safetensors")).unwrap() == weights);
        assert!(blobs(place).iter().all(|(name, _)| !name.contains("incomplete")), "{:?}", blobs(place));
        let _ = place;
    }

    #[test]
    fn a_killed_download_is_taken_up_by_the_next_run() {
        let (place, weights) = place(400_000);
        // The storage sends most of it, and then nothing more: whoever waits for the rest is killed.
        let served = Arc::new(AtomicUsize::new(0));
        place.hub.set_storage_fault({
            let (served, weights) = (Arc::clone(&served), weights.clone());
            move |request| {
                (!request.headers.contains_key("range") && served.fetch_add(1, Ordering::SeqCst) == 0).then(
                    || {
                        let mut answer = Response::new(200, &weights[..300_000]);
                        answer = answer.header("Content-Length", weights.len().to_string());
                        Response { keep_open: true, ..answer }
                    },
                )
            }
        });
        let mut child =
            place.command("inspect me/tiny").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let arrived =
            || blobs(&place).iter().any(|(name, size)| name.ends_with(".incomplete") && *size == 300_000);
        while !arrived() {
            assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap(); // SIGKILL: nothing of ours runs after it.
        child.wait().unwrap();
        assert!(arrived());

        whole(&place, &weights);
        let ranges = place.hub.storage().requests();
        let ranges: Vec<_> = ranges.iter().filter_map(|request| request.headers.get("range")).collect();
        assert_eq!(ranges, ["bytes=300000-"]);
    }

    #[test]
    fn two_processes_at_once_download_once() {
        let (place, weights) = place(200_000);
        let children = [0, 1].map(|_| {
            place.command("inspect me/tiny").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        });
        for mut child in children {
            child.wait().unwrap();
        }
        assert_eq!(place.hub.storage().count("GET"), 1);
        whole(&place, &weights);
    }

    #[test]
    fn a_download_that_waits_for_another_says_for_which() {
        let (place, weights) = place(200_000);
        let locks = place.path("home/hub/.locks/models--me--tiny");
        fs::create_dir_all(&locks).unwrap();
        let lock = locks.join(format!("{}.lock", sha256(&weights)));
        let held = fs::File::create(&lock).unwrap();
        held.lock().unwrap();
        let mut child = place.command("inspect me/tiny");
        let mut child = child.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let said = lines.find(|line| line.contains("waiting")).expect("a line that says so");
        assert!(said.contains("model.safetensors") && said.contains(lock.to_str().unwrap()), "{said}");
        assert_eq!(place.hub.storage().count("GET"), 0);
        drop(held);
        lines.for_each(drop);
        child.wait().unwrap();
        whole(&place, &weights);
    }

    #[test]
    fn a_full_disk_is_named_and_leaves_nothing_wrong() {
        let (place, weights) = place(400_000);
        // Files end at 100 KiB here; ulimit counts in blocks of 512 bytes or of 1 KiB. Without the signal, writing fails.
        let mut shell = Command::new("sh");
        let line = "trap '' XFSZ; ulimit -f 200; exec \"$0\" inspect me/tiny";
        shell.args(["-c", line, env!("CARGO_BIN_EXE_earmark")]);
        let said = Account::run_with(&mut place.prepare(shell), "");
        said.says(1, &["cannot use the cache at", "file too large"]);
        assert!(blobs(&place).iter().all(|(name, _)| !name.contains("incomplete")), "{:?}", blobs(&place));
        whole(&place, &weights);
    }
}
