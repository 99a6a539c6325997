//! `lienthong demo --cluster`: two gateways on three broker nodes. The same document to both, documents to either, a node that
//! dies, a gateway that dies while a receiver is waited for; every receiver has each document once, byte for byte.

mod nodes;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lienthong_schemas::edxml::DocumentBuilder;

use super::child::{self, Gateway};
use super::story::Story;
use super::world::{AGENCIES, Beside, Wishes, World, digest, free_addresses, write};
use crate::cli::CommandFault;
use nodes::Cluster;

/// How long anything may take to arrive: a partition changes hands in 20 s at most.
const ARRIVES_WITHIN: Duration = Duration::from_secs(60);
/// How long the brokers' nodes may take to agree on a leader.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Documents of one scene.
const SOME: u32 = 6;

/// Names of the gateways.
const GATEWAYS: [&str; 2] = ["gw-1", "gw-2"];
/// Who sends: the first agency. The others receive.
const SENDER: usize = 0;
/// Who is switched off for a while.
const AWAY: usize = 1;

/// One of the gateways, and the world as it sees it.
struct Seat {
    world: World,
    gateway: Option<Gateway>,
}

/// A document that was accepted.
struct Sent {
    document_id: String,
    file: PathBuf,
}

/// The gateways, the nodes, and what is told of them.
pub(super) struct Several {
    seats: Vec<Seat>,
    cluster: Cluster,
    program: PathBuf,
    story: Story,
    sent: Vec<Sent>,
    number: u32,
}

fn failed(what: impl Into<String>) -> CommandFault {
    CommandFault(what.into())
}

impl Several {
    /// The whole of it, in `folder`.
    pub(super) async fn perform(folder: &Path, program: PathBuf) -> Result<(), CommandFault> {
        let mut several = Self::open(folder, program).await?;
        several.play().await?;
        several.close().await
    }

    /// Starts nodes and gateways in `folder`.
    async fn open(folder: &Path, program: PathBuf) -> Result<Self, CommandFault> {
        let story = Story::begin();
        story.chapter("Ba nút nats-server, hai trục", "Three nodes, two gateways");
        let cluster = Cluster::start(&folder.join("cluster"))?;
        story.tell("3 nút: TLS, nkey, mã hóa trên đĩa, đúng cấu hình giao kèm / the shipped settings");
        let first = World::make_of(&AGENCIES, folder, &wishes(&cluster), &beside()).await?;
        let second = second_of(&first)?;
        let seats = vec![Seat { world: first, gateway: None }, Seat { world: second, gateway: None }];
        let mut several = Self { seats, cluster, program, story, sent: Vec::new(), number: 0 };
        for at in 0..GATEWAYS.len() {
            several.start(at).await?;
        }
        Ok(several)
    }

    /// All scenes, in order.
    async fn play(&mut self) -> Result<(), CommandFault> {
        self.same_to_both().await?;
        self.in_turn().await?;
        self.node_killed().await?;
        self.gateway_killed().await?;
        self.compare()
    }

    async fn start(&mut self, at: usize) -> Result<(), CommandFault> {
        let seat = &mut self.seats[at];
        seat.gateway = Some(seat.world.start(&self.program, &[]).await?);
        let mut ticks = child::ticks();
        let begun = Instant::now();
        while begun.elapsed() < READY_WITHIN {
            ticks.tick().await;
            if seat.world.readiness().await?["broker"] == "ok" {
                let (name, address) = (GATEWAYS[at], &seat.world.public);
                self.story.tell(&format!("{name} đã sẵn sàng tại http://{address} / is ready"));
                return Ok(());
            }
        }
        Err(failed(format!("{}: {}", GATEWAYS[at], seat.world.readiness().await?)))
    }

    async fn same_to_both(&mut self) -> Result<(), CommandFault> {
        self.story.chapter("1. Cùng một văn bản gửi vào cả hai trục", "The same document to both");
        let file = self.letter()?;
        let (one, other) = tokio::join!(
            self.seats[0].world.submit(SENDER, &file),
            self.seats[1].world.submit(SENDER, &file)
        );
        let (one, other) = (one?.document_id()?, other?.document_id()?);
        if one != other {
            return Err(failed(format!("{one} at one, {other} at the other")));
        }
        self.story.tell(&format!("hai biên nhận, một mã / two receipts, one id: {one}"));
        let sent = [Sent { document_id: one, file }];
        self.arrived(&sent, &[1, 2]).await?;
        self.sent.extend(sent);
        Ok(())
    }

    async fn in_turn(&mut self) -> Result<(), CommandFault> {
        self.story.chapter("2. Gửi vào trục nào cũng được", "Documents to either");
        let sent = self.send_some(&[0, 1]).await?;
        self.arrived(&sent, &[1, 2]).await?;
        self.sent.extend(sent);
        Ok(())
    }

    async fn node_killed(&mut self) -> Result<(), CommandFault> {
        self.story.chapter("3. Một nút nats-server bị ngắt", "SIGKILL of a node");
        self.cluster.kill_node(0).await?;
        self.story.tell(&format!("SIGKILL {}", self.cluster.name(0)));
        let sent = self.send_some(&[0, 1]).await?;
        self.arrived(&sent, &[1, 2]).await?;
        self.sent.extend(sent);
        self.cluster.start_node(0)?;
        self.story.tell(&format!("{} chạy lại / is started again", self.cluster.name(0)));
        Ok(())
    }

    /// The receiver is away; both gateways have documents for it, and one of them dies.
    async fn gateway_killed(&mut self) -> Result<(), CommandFault> {
        self.story.chapter(
            "4. Nơi nhận tắt máy, rồi một trục bị ngắt đột ngột",
            "A receiver is away, and a gateway is killed",
        );
        let receiver = self.seats[0].world.receivers[AWAY].clone();
        receiver.close();
        self.story.tell(&format!("{} tắt máy / is switched off", AGENCIES[AWAY].code));
        let at_first = self.send_some(&[0]).await?;
        let at_second = self.send_some(&[1]).await?;
        if let Some(gateway) = &mut self.seats[1].gateway {
            gateway.kill().await?;
        }
        let killed = Instant::now();
        self.story.tell("SIGKILL gw-2");
        receiver.reopen().await.map_err(|cause| CommandFault::at(AGENCIES[AWAY].code, cause))?;
        self.story.tell(&format!("{} bật lại / is switched on again", AGENCIES[AWAY].code));
        self.arrived(&at_first, &[1, 2]).await?;
        let seconds = killed.elapsed().as_secs_f64();
        self.story.tell(&format!(
            "phần gw-2 đang giữ đã sang gw-1, sau {seconds:.1} s / what gw-2 held of these went to gw-1"
        ));
        self.start(1).await?;
        self.arrived(&at_second, &[1, 2]).await?;
        self.sent.extend(at_first.into_iter().chain(at_second));
        Ok(())
    }

    /// A few documents, by these gateways in turn.
    async fn send_some(&mut self, by: &[usize]) -> Result<Vec<Sent>, CommandFault> {
        let mut sent = Vec::new();
        for at in by.iter().cycle().take(SOME as usize) {
            let file = self.letter()?;
            let document_id = self.seats[*at].world.submit(SENDER, &file).await?.document_id()?;
            sent.push(Sent { document_id, file });
        }
        let names: Vec<&str> = by.iter().map(|at| GATEWAYS[*at]).collect();
        self.story.tell(&format!("{SOME} văn bản vào {}: 202 / documents accepted", names.join(", ")));
        Ok(sent)
    }

    /// A signed letter to both receivers.
    fn letter(&mut self) -> Result<PathBuf, CommandFault> {
        self.number += 1;
        let (number, from) = (self.number, AGENCIES[SENDER].code);
        let document = DocumentBuilder::new(from, &[AGENCIES[1].code, AGENCIES[2].code])
            .code(&number.to_string(), "UBND-VP")
            .document_id(&format!("{from},2026/01/02,{number}/UBND-VP"))
            .subject("V/v thử cụm trục liên thông");
        self.seats[0].world.packet(&format!("{number}.edxml"), document, SENDER)
    }

    /// Waits until these receivers have these documents.
    async fn arrived(&self, sent: &[Sent], receivers: &[usize]) -> Result<(), CommandFault> {
        for one in sent {
            for &at in receivers {
                let receiver = &self.seats[0].world.receivers[at];
                if receiver.wait_for(&one.document_id, ARRIVES_WITHIN).await.is_none() {
                    let (id, code) = (&one.document_id, AGENCIES[at].code);
                    return Err(failed(format!("{id} is not at {code}: {:?}", receiver.complaints())));
                }
            }
        }
        let codes: Vec<&str> = receivers.iter().map(|&at| AGENCIES[at].code).collect();
        self.story.tell(&format!("{} văn bản đã đến {} / arrived", sent.len(), codes.join(", ")));
        Ok(())
    }

    /// Each receiver has each document under one delivery id, byte for byte, and nothing else.
    fn compare(&self) -> Result<(), CommandFault> {
        self.story.chapter("So từng byte", "Every byte is compared");
        let mut again = 0;
        for at in [1, 2] {
            let taken = self.seats[0].world.receivers[at].taken();
            if taken.len() != self.sent.len() {
                let (code, wanted) = (AGENCIES[at].code, self.sent.len());
                return Err(failed(format!("{code} has {} deliveries of {wanted} documents", taken.len())));
            }
            for sent in &self.sent {
                let (sha256, _) = digest(&sent.file)?;
                let found = taken.values().find(|taken| taken.document_id == sent.document_id);
                let found = found.filter(|taken| taken.sha256 == sha256);
                let found = found.ok_or_else(|| failed(format!("{} differs", sent.document_id)))?;
                again += found.times - 1;
            }
        }
        let count = self.sent.len();
        self.story.tell(&format!(
            "{count} văn bản × 2 nơi nhận: đúng từng byte, mỗi bản chuyển một mã; gửi lặp cùng mã {again} lần / \
             {count} documents × 2 receivers, one delivery id each; {again} repeats under the same id"
        ));
        Ok(())
    }

    /// Stops the gateways as an operator would; they must end well.
    async fn close(&mut self) -> Result<(), CommandFault> {
        for (seat, name) in self.seats.iter_mut().zip(GATEWAYS) {
            let Some(gateway) = &mut seat.gateway else { continue };
            match gateway.stop().await? {
                Some(0) => {}
                code => return Err(failed(format!("{name} ended with {code:?} at SIGTERM"))),
            }
        }
        Ok(())
    }
}

/// How the first gateway gets to the cluster.
fn wishes(cluster: &Cluster) -> Wishes {
    let name = GATEWAYS[0];
    let broker = format!(
        "url = \"{}\"\nca = \"{}\"\nnkey_seed_file = \"{}\"\ninbox_prefix = \"_INBOX.{name}\"\nreplicas = 3",
        cluster.urls,
        cluster.ca.display(),
        cluster.seed(name).display(),
    );
    let settings = vec![("broker", broker), ("delivery", "retry_first = \"500ms\"".to_owned())];
    Wishes { settings, ..Wishes::default() }
}

fn beside() -> Beside {
    let settings = format!("\n[cluster]\nnode = \"{}\"\n\n[spool]\ndisk_free_min = \"300MB\"\n", GATEWAYS[0]);
    Beside { settings, directory: String::new() }
}

/// The world as the other gateway sees it: the same directory, systems and secrets; its own name, doors, key and data.
fn second_of(first: &World) -> Result<World, CommandFault> {
    let [public, admin] = free_addresses()?;
    let text = std::fs::read_to_string(&first.config);
    let text = text.map_err(|cause| CommandFault::at(first.config.display(), cause))?;
    let text = text
        .replace(GATEWAYS[0], GATEWAYS[1])
        .replace("data_dir = \"data\"", "data_dir = \"data-2\"")
        .replace(&first.public, &public)
        .replace(&first.admin, &admin);
    let (config, log) = (first.folder.join("lienthong-2.toml"), first.folder.join("gateway-2.log"));
    write(&config, text.as_bytes())?;
    let mut second = first.clone();
    (second.config, second.public, second.admin, second.log) = (config, public, admin, log);
    Ok(second)
}
