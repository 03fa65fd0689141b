//! A Redis cluster of three primaries on this machine, without replicas or with one, and with TLS if a story asks for it.
//!
//! Each server is the child of a shell that waits for the end of its own standard input. So a server ends when it is
//! killed here, when its cluster is dropped, and when the test process dies, however that happens.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use redis::{Cmd, FromRedisValue, RedisResult, cmd};
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::{Authority, Certified, PATIENCE, Settings, redis_users, stack};

const PRIMARIES: u16 = 3;
const SLOTS: u16 = 16_384;
/// How far the ports are apart on which a node serves clients and the other nodes.
const BUS: u16 = 10_000;
const STORIES: &str = "stories";
const BY_PASSWORD: &str = "by_password";
const BY_TOKEN: &str = "by_token";
const SERVE_AND_WATCH: &str = r#""$@" & read -r _; kill -9 $!; wait"#;

/// A cluster; its servers are named by their numbers: the primaries from 0, then the replica.
#[derive(Debug)]
pub struct RedisCluster {
    servers: Vec<Server>,
    dir: PathBuf,
    secured: Option<Secured>,
}

/// How a cluster is closed to all but the functions, who come over TLS and may do what the template grants, and to the
/// stories, who come without.
#[derive(Debug)]
struct Secured {
    authority: String,
    /// Of the stories, and of the functions that sign in by it.
    password: String,
}

/// By what functions sign in at a cluster with TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// A password.
    Password,
    /// A token, or whatever else they say.
    Token,
}

#[derive(Debug)]
struct Server {
    /// Where the stories reach it, and the functions if there is no TLS.
    port: u16,
    tls_port: Option<u16>,
    /// The shell over the server; none while the server is down.
    shell: Mutex<Option<Child>>,
}

impl RedisCluster {
    /// The cluster for stories without faults; it ends with the test process.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<RedisCluster> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    /// A cluster of one's own.
    pub async fn start() -> Self {
        let mut cluster = Self { servers: Vec::new(), dir: new_dir(), secured: None };
        cluster.form().await;
        cluster
    }

    /// A cluster of one's own that functions reach over TLS alone, by the name `localhost`.
    pub async fn start_with_tls(authority: &Authority) -> Self {
        let secured = Secured { authority: authority.file(), password: Uuid::new_v4().simple().to_string() };
        let mut cluster = Self { servers: Vec::new(), dir: new_dir(), secured: Some(secured) };
        for number in 0..usize::from(PRIMARIES) {
            cluster.certify(number, &authority.certify("localhost"));
            cluster.write(number, "users.acl", &cluster.users());
        }
        cluster.form().await;
        cluster
    }

    /// From now on a server shows this certificate, and whoever is connected has to connect again.
    pub async fn show(&self, number: usize, certified: &Certified) {
        self.certify(number, certified);
        let mut reload = cmd("CONFIG");
        reload.arg("SET").arg("tls-cert-file").arg("certificate.pem").arg("tls-key-file").arg("key.pem");
        self.order(number, &reload).await;
        let mut hang_up = cmd("CLIENT");
        hang_up.arg("KILL").arg("TYPE").arg("normal").arg("SKIPME").arg("yes");
        let _how_many: usize = self.tell(number, &hang_up).await;
    }

    fn certify(&self, number: usize, certified: &Certified) {
        self.write(number, "certificate.pem", &certified.certificate);
        self.write(number, "key.pem", &certified.key);
    }

    async fn form(&mut self) {
        let cluster = self;
        for share in 0..PRIMARIES {
            let number = cluster.add().await;
            let slots: Vec<_> = (0..SLOTS).filter(|slot| slot * PRIMARIES / SLOTS == share).collect();
            cluster.order(number, cmd("CLUSTER").arg("ADDSLOTS").arg(slots)).await;
            cluster.order(number, cmd("CLUSTER").arg("SET-CONFIG-EPOCH").arg(number + 1)).await;
        }
        for number in 1..cluster.servers.len() {
            cluster.meet(number).await;
        }
        cluster.until_whole().await;
    }

    /// A cluster of one's own with a replica, number 3, that stands in for a primary.
    pub async fn start_with_replica_of(primary: usize) -> Self {
        let mut cluster = Self::start().await;
        let number = cluster.add().await;
        cluster.meet(number).await;
        cluster.until_whole().await;
        let id = cluster.id(primary).await;
        cluster.order(number, cmd("CLUSTER").arg("REPLICATE").arg(id)).await;
        let (replica, mut about) = (&cluster.servers[number], cmd("INFO"));
        about.arg("replication");
        cluster
            .until(|| cluster.ask::<String>(replica, &about), |about| about.contains("master_link_status:up"))
            .await;
        cluster
    }

    async fn add(&mut self) -> usize {
        let tls_port = self.secured.is_some().then(free_port);
        self.servers.push(Server { port: free_port(), tls_port, shell: Mutex::new(None) });
        let number = self.servers.len() - 1;
        self.serve(number).await;
        number
    }

    async fn meet(&self, number: usize) {
        let server = &self.servers[number];
        // The port for the other nodes is counted from this one.
        let port = server.tls_port.unwrap_or(server.port);
        self.order(0, cmd("CLUSTER").arg("MEET").arg("127.0.0.1").arg(port)).await;
    }

    /// `REDIS_URL` of this cluster, by its first primary.
    pub fn url(&self) -> String {
        format!("redis+cluster://127.0.0.1:{}", self.servers[0].port)
    }

    /// The same with TLS, for functions that sign in by this.
    pub fn url_with_tls(&self, login: Login) -> String {
        let secured = self.secured.as_ref().expect("a cluster with TLS");
        let user = match login {
            Login::Password => format!("{BY_PASSWORD}:{}", secured.password),
            Login::Token => BY_TOKEN.to_owned(),
        };
        let port = self.servers[0].tls_port.expect("a cluster with TLS");
        format!("rediss+cluster://{user}@localhost:{port}")
    }

    /// Which server that runs has keys with this in their names.
    pub async fn server_with(&self, name: &str) -> Option<usize> {
        for number in 0..self.servers.len() {
            if !self.servers[number].runs() {
                continue;
            }
            let keys: Vec<String> = self.tell(number, cmd("KEYS").arg(format!("*{name}*"))).await;
            if !keys.is_empty() {
                return Some(number);
            }
        }
        None
    }

    /// Kills a primary, with all it knows.
    pub fn kill(&self, number: usize) {
        self.servers[number].kill();
    }

    /// Starts a killed primary again, empty, and waits until it serves its slots.
    pub async fn restart(&self, number: usize) {
        self.serve(number).await;
        self.until_whole().await;
    }

    /// Stops a primary in its tracks, its connections open. Its process id is what it is resumed by.
    pub async fn hang(&self, number: usize) -> u32 {
        let about: String = self.tell(number, cmd("INFO").arg("server")).await;
        let pid = about.lines().find_map(|line| line.strip_prefix("process_id:"));
        let pid = pid.and_then(|pid| pid.parse().ok()).unwrap_or_else(|| panic!("no process_id in {about}"));
        signal("-STOP", pid);
        pid
    }

    /// Lets a primary go on.
    pub async fn resume(&self, pid: u32) {
        signal("-CONT", pid);
        self.until_whole().await;
    }

    /// Begins to move the slot of the keys with this in their names; they are still all at the first.
    pub async fn begin_move(&self, name: &str) -> Move {
        let from = self.server_with(name).await.unwrap_or_else(|| panic!("nobody has keys of {name}"));
        let to = (from + 1) % usize::from(PRIMARIES);
        let keys: Vec<String> = self.tell(from, cmd("KEYS").arg(format!("*{name}*"))).await;
        let slot: u16 = self.tell(from, cmd("CLUSTER").arg("KEYSLOT").arg(&keys[0])).await;
        let (source, target) = (self.id(from).await, self.id(to).await);
        self.set_slot(to, slot, "IMPORTING", &source).await;
        self.set_slot(from, slot, "MIGRATING", &target).await;
        Move { slot, from, to }
    }

    /// Moves the keys of the slot over, one by one.
    pub async fn move_keys(&self, Move { slot, from, to }: &Move) {
        loop {
            let keys: Vec<String> =
                self.tell(*from, cmd("CLUSTER").arg("GETKEYSINSLOT").arg(slot).arg(1)).await;
            let Some(key) = keys.first() else { break };
            let mut migrate = cmd("MIGRATE");
            migrate.arg("127.0.0.1").arg(self.servers[*to].port).arg(key).arg(0).arg(5000);
            self.order(*from, &migrate).await;
        }
    }

    /// Ends a move: the slot is served by the second from now on.
    pub async fn end_move(&self, Move { slot, from, to }: Move) {
        let target = self.id(to).await;
        for number in [to, from] {
            self.set_slot(number, slot, "NODE", &target).await;
        }
    }

    async fn set_slot(&self, number: usize, slot: u16, state: &str, node: &str) {
        self.order(number, cmd("CLUSTER").arg("SETSLOT").arg(slot).arg(state).arg(node)).await;
    }

    async fn id(&self, number: usize) -> String {
        self.tell(number, cmd("CLUSTER").arg("MYID")).await
    }

    /// Starts a server, which finds its place in the cluster in its own file, and waits until it answers.
    async fn serve(&self, number: usize) {
        let settings = Settings::get();
        let program = settings.redis_server.as_ref().expect(
            "TEST_REDIS_SERVER, which `make test` sets: stories about clusters need redis-server installed, also where Docker runs the stores",
        );
        let server = &self.servers[number];
        let dir = self.dir.join(number.to_string());
        fs::create_dir_all(&dir).unwrap_or_else(|err| panic!("{}: {err}", dir.display()));
        let log =
            File::options().create(true).append(true).open(dir.join("redis.log")).expect("it can be written");
        let port = server.port.to_string();
        let mut options = vec![
            ["--port", &port],
            ["--bind", "127.0.0.1"],
            ["--save", ""],
            ["--cluster-enabled", "yes"],
            ["--cluster-node-timeout", "3000"],
            ["--repl-diskless-sync-delay", "0"],
            // Without it the loss of one primary would end all.
            ["--cluster-require-full-coverage", "no"],
        ];
        let tls_port = server.tls_port.map(|port| port.to_string());
        if let (Some(Secured { authority, .. }), Some(tls_port)) = (&self.secured, &tls_port) {
            options.extend([
                ["--tls-port", tls_port],
                ["--tls-cluster", "yes"],
                ["--tls-cert-file", "certificate.pem"],
                ["--tls-key-file", "key.pem"],
                ["--tls-ca-cert-file", authority],
                ["--tls-auth-clients", "no"],
                ["--cluster-announce-hostname", "localhost"],
                ["--cluster-preferred-endpoint-type", "hostname"],
                ["--aclfile", "users.acl"],
            ]);
        }
        let mut shell = Command::new("sh");
        shell.args(["-c", SERVE_AND_WATCH, "sh"]).arg(program).args(options.as_flattened());
        shell
            .current_dir(&dir)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("it is open"))
            .stderr(log);
        if let Some(path) = &settings.redis_library_path {
            shell.env("LD_LIBRARY_PATH", path);
        }
        let shell = shell.spawn().expect("`sh` is on every system");
        *server.shell.lock().expect("nobody panics while holding it") = Some(shell);
        let ping = cmd("PING");
        self.until(|| self.ask::<String>(server, &ping), |pong| pong == "PONG").await;
    }

    /// What the users of a server may do; its default user is off.
    fn users(&self) -> String {
        let password = &self.secured.as_ref().expect("a cluster with TLS").password;
        let rights = redis_users::rights().join(" ");
        format!(
            "user default off\nuser {STORIES} on >{password} ~* &* +@all\n\
             user {BY_PASSWORD} on >{password} {rights}\nuser {BY_TOKEN} on nopass {rights}\n"
        )
    }

    fn write(&self, number: usize, name: &str, text: &str) {
        let path = self.dir.join(number.to_string()).join(name);
        let dir = path.parent().expect("it is in the cluster's");
        let written = fs::create_dir_all(dir).and_then(|()| fs::write(&path, text));
        written.unwrap_or_else(|err| panic!("{}: {err}", path.display()));
    }

    /// Waits until every server knows the others, and who serves what.
    async fn until_whole(&self) {
        let nodes = format!("cluster_known_nodes:{}", self.servers.len());
        let whole = |about: &str| {
            ["cluster_state:ok", &nodes, "cluster_slots_ok:16384"].iter().all(|line| about.contains(line))
        };
        for server in &self.servers {
            let mut about = cmd("CLUSTER");
            about.arg("INFO");
            self.until(|| self.ask::<String>(server, &about), |about| whole(about)).await;
        }
        // The names of the hosts come after the rest; one that is not known yet is a question mark.
        for server in self.servers.iter().filter(|server| server.tls_port.is_some()) {
            let mut slots = cmd("CLUSTER");
            slots.arg("SLOTS");
            let named = |ranges: &Vec<redis::Value>| {
                ranges.len() == usize::from(PRIMARIES) && !format!("{ranges:?}").contains("\"?\"")
            };
            self.until(|| self.ask(server, &slots), named).await;
        }
    }

    async fn until<T: std::fmt::Debug>(
        &self,
        ask: impl AsyncFn() -> RedisResult<T>,
        is_there: impl Fn(&T) -> bool,
    ) {
        let deadline = Instant::now() + 2 * PATIENCE;
        loop {
            let answer = ask().await;
            if answer.as_ref().is_ok_and(&is_there) {
                return;
            }
            assert!(Instant::now() < deadline, "still {answer:?}; the logs are in {}", self.dir.display());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn order(&self, number: usize, command: &Cmd) {
        self.tell::<()>(number, command).await;
    }

    async fn tell<T: FromRedisValue>(&self, number: usize, command: &Cmd) -> T {
        let answer = self.ask(&self.servers[number], command).await;
        answer.unwrap_or_else(|err| panic!("server {number} of {}: {err}", self.dir.display()))
    }

    async fn ask<T: FromRedisValue>(&self, server: &Server, command: &Cmd) -> RedisResult<T> {
        let login = self.secured.as_ref().map(|secured| format!("{STORIES}:{}@", secured.password));
        let client =
            redis::Client::open(format!("redis://{}127.0.0.1:{}", login.unwrap_or_default(), server.port))?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        command.query_async(&mut connection).await
    }
}

/// A slot on its way between two servers.
#[derive(Debug)]
pub struct Move {
    slot: u16,
    from: usize,
    to: usize,
}

impl Server {
    fn runs(&self) -> bool {
        self.shell.lock().expect("nobody panics while holding it").is_some()
    }

    fn kill(&self) {
        let shell = self.shell.lock().expect("nobody panics while holding it").take();
        if let Some(mut shell) = shell {
            drop(shell.stdin.take());
            let _status = shell.wait();
        }
    }
}

impl Drop for RedisCluster {
    fn drop(&mut self) {
        for server in &self.servers {
            server.kill();
        }
        if !thread::panicking() {
            let _may_stay = fs::remove_dir_all(&self.dir);
        }
    }
}

fn signal(signal: &str, pid: u32) {
    let sent = Command::new("kill").args([signal, &pid.to_string()]).status();
    assert!(sent.expect("`kill` is on every system").success(), "process {pid} runs");
}

fn new_dir() -> PathBuf {
    stack::logs_root().join(format!("{}-cluster-{}", std::process::id(), Uuid::new_v4()))
}

/// A port below those that systems hand out, so that nobody takes it meanwhile, whose partner is free as well.
fn free_port() -> u16 {
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    loop {
        let [high, low, ..] = *Uuid::new_v4().as_bytes();
        let port = 20_000 + u16::from_be_bytes([high, low]) % 2_700;
        if free(port) && free(port + BUS) {
            return port;
        }
    }
}
