//! One state of the world: what lies on two disks, in the broker, and at the receivers. What steps do with it stands in
//! `step`, what must hold of it in `properties`.

/// Gateways: as many as there are.
pub const NODES: usize = 2;
/// Documents, at most.
pub const DOCUMENTS: usize = 2;
/// Receivers, at most; each is a partition of its own.
pub const RECEIVERS: usize = 2;
/// Deliveries, at most: `document * RECEIVERS + receiver`.
pub const DELIVERIES: usize = DOCUMENTS * RECEIVERS;

/// Everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct State {
    /// Both gateways.
    pub nodes: [Node; NODES],
    /// The partitions, one for each receiver.
    pub leases: [Lease; RECEIVERS],
    /// What senders were told.
    pub documents: [Document; DOCUMENTS],
    /// All deliveries.
    pub deliveries: [Delivery; DELIVERIES],
    /// Faults that may still happen.
    pub faults: u8,
}

/// One gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Node {
    /// Whether it runs.
    pub life: Life,
    /// Its epoch was raised by an adoption.
    pub adopted: bool,
    /// It knows: it started, or said that it lives, after that.
    pub old: bool,
}

/// Whether a gateway runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Life {
    /// It does.
    #[default]
    Up,
    /// It does not; its disk is whole.
    Down,
    /// It does not, and its disk is gone.
    Lost,
}

/// The lease of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lease {
    /// Who holds it, as the server sees it, or held it last.
    pub holder: Option<u8>,
    /// Who believes that it holds it.
    pub believes: [bool; NODES],
}

/// One document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Document {
    /// Its sender has a receipt.
    pub receipt: bool,
    /// Its admission was on a disk.
    pub committed: bool,
}

/// One delivery, wherever something of it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Delivery {
    /// On the disks of the gateways.
    pub records: [Record; NODES],
    /// Generations whose message in `DELIVERIES` is not acknowledged, as bits.
    pub waiting: u16,
    /// Generations that the server drops when they are published once more.
    pub seen: u16,
    /// Generations that were taken over onto a disk.
    pub taken: u16,
    /// Gateways that `EVENTS` or `DELIVERIES` name as those that accepted it, as bits.
    pub named: u8,
    /// `EVENTS`, read to its end.
    pub events: Events,
    /// The receiver has it: the world's own record.
    pub received: bool,
    /// What people decided last.
    pub decided: Decided,
    /// It was on one disk only, which is lost: receipts say `durability: local`.
    pub excepted: bool,
    /// `EVENTS` called it received when the lease of its partition was taken last.
    pub was_over: bool,
}

/// What became of a delivery that could not be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Decided {
    /// Nothing of that kind.
    #[default]
    Nothing,
    /// It was given up.
    GivenUp,
    /// After that an operator sent it again.
    Requeued,
}

/// What all events of one delivery say together. A later generation goes before an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Events {
    /// The highest generation that was published, as far as they say.
    pub generation: u8,
    /// Who took that generation over, as bits.
    pub at: u8,
    /// That generation was given up.
    pub given_up: bool,
    /// The highest generation that was received; 0: none.
    pub received: u8,
}

/// A record in the store of one gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Record {
    /// How it stands.
    pub state: Standing,
    /// Its generation.
    pub generation: u8,
    /// That generation is in `DELIVERIES`, as far as this gateway knows.
    pub published: bool,
    /// Where that generation was handed off, as far as this gateway knows, as bits.
    pub at: u8,
    /// This gateway gave the receipt for it, or adopted it.
    pub keeper: bool,
    /// Events of it are not sent yet.
    pub untold: bool,
    /// There are events of others that this gateway did not read yet.
    pub unread: bool,
    /// The lease moved since this gateway looked what follows for this record.
    pub moved: bool,
    /// The attempt that is under way, in memory only.
    pub attempt: Attempt,
}

/// How a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Standing {
    /// There is none.
    #[default]
    Absent,
    /// It is not over.
    Queued,
    /// The receiver has it. Final.
    Received,
    /// Nobody tries any more; an operator may send it again. Stands for refused and parked as well.
    GivenUp,
}

/// An attempt: begun, not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Attempt {
    /// None.
    #[default]
    None,
    /// Under a lease in which its gateway believed.
    Begun,
    /// Without one.
    Unfenced,
    /// Of a delivery that was over when the lease was taken.
    Needless,
}

impl Record {
    /// Whether there is one, and it is not over.
    pub fn is_queued(&self) -> bool {
        self.state == Standing::Queued
    }

    /// Whether it is over.
    pub fn is_final(&self) -> bool {
        matches!(self.state, Standing::Received | Standing::GivenUp)
    }
}

impl Delivery {
    /// The oldest or the newest message that waits.
    pub fn next_waiting(&self, oldest: bool) -> Option<u8> {
        let mut waiting = (1..=GENERATIONS).filter(|generation| self.waiting & mark(*generation) != 0);
        if oldest { waiting.next() } else { waiting.next_back() }
    }

    /// The highest generation that the broker has seen.
    pub fn highest(&self) -> u8 {
        let seen = u8::try_from(16 - self.seen.leading_zeros()).unwrap_or(0).saturating_sub(1);
        seen.max(self.events.generation)
    }
}

/// Which names are given to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    /// Of the documents.
    pub documents: bool,
    /// Of the receivers.
    pub receivers: bool,
    /// Of the gateways.
    pub nodes: bool,
}

/// Generations that a delivery may come to, less one.
pub const GENERATIONS: u8 = 15;

/// The bit of a gateway.
pub fn bit(node: u8) -> u8 {
    1 << node
}

/// The bit of a generation.
pub fn mark(generation: u8) -> u16 {
    1 << generation.min(GENERATIONS)
}

/// Bits of the two gateways, with each other's names.
fn swap_bits(of: &mut u8) {
    *of = (*of & 1) << 1 | *of >> 1;
}

impl State {
    /// The same world with other names for gateways, documents and receivers: the least of all that are `alike`.
    pub fn canonical(self, alike: &[Names]) -> Self {
        alike.iter().map(|names| self.renamed(*names)).min().unwrap_or(self)
    }

    fn renamed(mut self, names: Names) -> Self {
        if names.documents {
            self.swap_documents();
        }
        if names.receivers {
            self.swap_receivers();
        }
        if names.nodes {
            self.swap_nodes();
        }
        self
    }

    fn swap_documents(&mut self) {
        self.documents.swap(0, 1);
        (0..RECEIVERS).for_each(|receiver| self.deliveries.swap(receiver, RECEIVERS + receiver));
    }

    fn swap_receivers(&mut self) {
        self.leases.swap(0, 1);
        (0..DOCUMENTS).for_each(|document| {
            self.deliveries.swap(document * RECEIVERS, document * RECEIVERS + 1);
        });
    }

    fn swap_nodes(&mut self) {
        let other = |node: &mut Option<u8>| *node = node.map(|node| 1 - node);
        self.nodes.swap(0, 1);
        for lease in &mut self.leases {
            other(&mut lease.holder);
            lease.believes.swap(0, 1);
        }
        for delivery in &mut self.deliveries {
            delivery.records.swap(0, 1);
            delivery.records.iter_mut().for_each(|record| swap_bits(&mut record.at));
            swap_bits(&mut delivery.events.at);
            swap_bits(&mut delivery.named);
        }
    }
}
