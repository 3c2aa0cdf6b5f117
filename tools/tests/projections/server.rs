//! A PostgreSQL server for tests: a cluster in a temporary directory, on a Unix socket alone.
//!
//! It is started once for the process that asks first, and ends with it, however that ends: the
//! shell that started it waits for the end of its standard input. Where the programs are not
//! installed, tests say so and pass.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use annals::sourcing::Postgres;

/// Whom it runs as, if the test is root: the server refuses that.
const NOBODY: &str = "nobody";

/// Makes the cluster, serves it until standard input ends, and removes it. Nothing in it has to
/// survive a crash of the machine.
const SCRIPT: &str = r#"
"$1/initdb" --pgdata="$2/data" --username=annals --auth=trust --no-sync --no-locale --encoding=UTF8 >"$2/log" 2>&1 || exit 1
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c fsync=off -c synchronous_commit=off \
    -c full_page_writes=off -c shared_buffers=32MB >>"$2/log" 2>&1 </dev/null &
server=$!
read -r _
kill -INT "$server"
wait "$server"
rm -rf "$2"
"#;

struct Server {
    directory: PathBuf,
    /// Holds its standard input open.
    _shell: Child,
}

/// Where the server's programs are, in one folder.
fn programs() -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|found| found.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    folders.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders.extend(std::env::split_paths(&path));
    folders
        .into_iter()
        .find(|folder| ["initdb", "postgres"].iter().all(|program| folder.join(program).is_file()))
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout == b"0\n")
}

fn start(programs: &Path) -> Result<Server, String> {
    let directory = tempfile::Builder::new().prefix("pg").tempdir().unwrap().keep();
    let mut command = Command::new("sh");
    if is_root() {
        let owned = Command::new("chown").arg(NOBODY).arg(&directory).status();
        if !owned.is_ok_and(|status| status.success()) {
            return Err(format!("{} cannot be given to {NOBODY}", directory.display()));
        }
        command = Command::new("su");
        command.args([NOBODY, "-s", "/bin/sh"]);
        command.args(["-c", SCRIPT, "sh"]);
    } else {
        command.args(["-c", SCRIPT, "sh"]);
    }
    let shell = command
        .arg(programs)
        .arg(&directory)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| format!("its shell does not start: {error}"))?;
    let server = Server { directory, _shell: shell };
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match Postgres::connect(&server.config("postgres")) {
            Ok(_) => return Ok(server),
            Err(error) if Instant::now() > deadline => {
                let log = std::fs::read_to_string(server.directory.join("log"));
                return Err(format!("{error}: {}", log.unwrap_or_default()));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

impl Server {
    fn config(&self, database: &str) -> String {
        format!("host={} user=annals dbname={database}", self.directory.display())
    }
}

/// How to connect to a new, empty database; `None` where there is no server.
pub(crate) fn new_database() -> Option<String> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    static DATABASES: AtomicU64 = AtomicU64::new(0);
    let server = SERVER.get_or_init(|| {
        let started = programs().ok_or("initdb and postgres are not installed".to_owned());
        let started = started.and_then(|programs| start(&programs));
        if let Err(why) = &started {
            eprintln!("no PostgreSQL server: {why}");
        }
        started.ok()
    });
    let Some(server) = server else {
        eprintln!("SKIPPED: there is no PostgreSQL server to be started");
        return None;
    };
    let name = format!("test{}", DATABASES.fetch_add(1, Ordering::SeqCst));
    let mut postgres = Postgres::connect(&server.config("postgres")).unwrap();
    postgres.client().batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
    Some(server.config(&name))
}
