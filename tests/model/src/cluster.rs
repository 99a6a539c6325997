//! The model: how large, which rules, and everything that may happen next.

use stateright::{Model, Property};

use crate::faults::Fault;
use crate::properties;
use crate::state::{DELIVERIES, GENERATIONS, Names, RECEIVERS, State, mark};
use crate::step::Step;

/// A rule that is broken on purpose, to see that a property notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutation {
    /// A message is acknowledged before it is on the disk.
    AckBeforeHandOff,
    /// The outcome is written before the packet is sent.
    SettleBeforeDelivery,
    /// The lease is not checked before an attempt.
    NoFencing,
    /// The sender has its receipt before the admission is on disk.
    ReceiptBeforeCommit,
    /// A new holder attempts what lies on its disk without reading `EVENTS`.
    HolderWithoutReading,
    /// A record that is made late does not hear what `EVENTS` said before.
    MadeWithoutReading,
    /// `Follow` takes the end of an earlier generation for that of a later one.
    FollowIgnoresGeneration,
    /// `Follow` takes `received` for its own generation and later ones only.
    ReceivedOfItsGeneration,
    /// A requeue that the broker has seen already, from another gateway, counts as published.
    RepeatIsTaken,
    /// A hand-off after the lease moved is acknowledged, and nobody looks again.
    MovesOnlyOnce,
    /// A commit replaces the record that a takeover made.
    CommitOverwrites,
    /// A holder believes for longer than the server remembers.
    BeliefOutlivesLease,
    /// Adopting leaves the epoch as it was.
    AdoptKeepsEpoch,
}

/// Two gateways and what they carry.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Documents, at most two.
    pub documents: usize,
    /// Receivers, each a partition; at most two.
    pub receivers: usize,
    /// Every document goes to every receiver; otherwise the first to the first, the second to the second.
    pub crossed: bool,
    /// Faults in one run, at most.
    pub faults: u8,
    /// Also those that a few of the others make up together, and what people do.
    pub every_fault: bool,
    /// Whoever runs sends its events at once, and reads those of the other at once. Otherwise at any time later.
    pub prompt: bool,
    /// The broken rule, if any.
    pub mutation: Option<Mutation>,
    /// States that differ by names only count once.
    pub symmetric: bool,
    pub(crate) steps: Vec<Step>,
    alike: Vec<Names>,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A step of a gateway.
    Step(Step),
    /// A fault.
    Fault(Fault),
}

impl Cluster {
    /// The protocol as it is to be, with everything that is modelled.
    pub fn new(documents: usize, receivers: usize, faults: u8) -> Self {
        let cluster = Self {
            documents,
            receivers,
            crossed: true,
            faults,
            every_fault: true,
            prompt: false,
            mutation: None,
            symmetric: true,
            steps: Vec::new(),
            alike: Vec::new(),
        };
        cluster.with_steps()
    }

    /// One receiver for each document.
    pub fn parallel(self) -> Self {
        Self { crossed: false, ..self }.with_steps()
    }

    /// Without the faults that others make up together.
    pub fn plain(self) -> Self {
        Self { every_fault: false, ..self }
    }

    /// Events are sent and read at once.
    pub fn prompt(self) -> Self {
        Self { prompt: true, ..self }
    }

    fn with_steps(self) -> Self {
        let (steps, alike) = (steps(&self), self.names());
        Self { steps, alike, ..self }
    }

    /// Names that make no difference.
    fn names(&self) -> Vec<Names> {
        let (documents, receivers) = (self.documents > 1, self.receivers > 1);
        let all = (0..8_u8).map(|bits| Names {
            documents: bits & 1 != 0,
            receivers: bits & 2 != 0,
            nodes: bits & 4 != 0,
        });
        let exist = |names: &Names| (documents || !names.documents) && (receivers || !names.receivers);
        let fit = |names: &Names| self.crossed || names.documents == names.receivers;
        all.filter(exist).filter(fit).collect()
    }

    /// With a rule broken.
    pub fn broken(self, mutation: Mutation) -> Self {
        Self { mutation: Some(mutation), ..self }
    }

    pub(crate) fn is(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    /// The numbers of the deliveries that there are.
    pub(crate) fn carried(&self) -> impl Iterator<Item = usize> + '_ {
        let is_carried = |at: &usize| self.carries(at / RECEIVERS, at % RECEIVERS);
        (0..DELIVERIES).filter(is_carried)
    }

    /// Whether a document goes to a receiver.
    pub(crate) fn carries(&self, document: usize, receiver: usize) -> bool {
        let exist = document < self.documents && receiver < self.receivers;
        exist && (self.crossed || document == receiver)
    }

    fn push_faults(&self, state: &State, actions: &mut Vec<Action>) {
        let mut push = |fault| actions.push(Action::Fault(fault));
        for node in 0..2 {
            push(Fault::Crash { node });
            push(Fault::Lose { node });
            push(Fault::Pause { node });
            for delivery in self.carried() {
                push(Fault::LoseAck { node, delivery });
                push(Fault::CrashAfterSend { node, delivery });
                push(Fault::CrashAfterSettle { node, delivery });
                push(Fault::Fail { node, delivery });
                for generation in generations(state.deliveries[delivery].waiting) {
                    push(Fault::CrashAfterHandOff { node, delivery, generation });
                    push(Fault::CrashAfterEarlyAck { node, delivery, generation });
                }
            }
            if self.every_fault {
                self.push_further(state, node, &mut push);
            }
        }
        for delivery in self.carried() {
            for generation in generations(state.deliveries[delivery].seen) {
                push(Fault::Redeliver { delivery, generation });
            }
        }
    }

    fn push_further(&self, state: &State, node: usize, mut push: impl FnMut(Fault)) {
        push(Fault::AdoptSilent { node });
        for document in 0..self.documents {
            push(Fault::CrashAfterCommit { node, document });
            push(Fault::Twice { node, document });
        }
        for delivery in self.carried() {
            push(Fault::CrashAfterPublish { node, delivery });
            push(Fault::LoseAnswer { node, delivery });
            push(Fault::GiveUp { node, delivery });
            for generation in generations(state.deliveries[delivery].waiting) {
                push(Fault::LateHandOff { node, delivery, generation });
            }
        }
    }
}

impl Model for Cluster {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State { faults: self.faults, ..State::default() }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions.extend(self.steps.iter().copied().map(Action::Step));
        if state.faults > 0 {
            self.push_faults(state, actions);
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        if properties::is_past(state) {
            return None;
        }
        let mut next = *state;
        let happened = match action {
            Action::Step(step) => self.step(&mut next, step),
            Action::Fault(fault) => self.fault(&mut next, fault),
        };
        if !happened {
            return None;
        }
        if self.prompt {
            self.say_all(&mut next);
        }
        self.tidy(&mut next);
        Some(if self.symmetric { next.canonical(&self.alike) } else { next })
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}

fn generations(of: u16) -> impl Iterator<Item = u8> {
    (1..=GENERATIONS).filter(move |generation| of & mark(*generation) != 0)
}

fn steps(cluster: &Cluster) -> Vec<Step> {
    let mut steps = Vec::new();
    for node in 0..2 {
        steps.push(Step::Restart { node });
        steps.push(Step::Notice { node });
    }
    (0..2).for_each(|dead| steps.push(Step::Adopt { dead }));
    for node in 0..2 {
        steps.push(Step::Follow { node });
    }
    for partition in 0..cluster.receivers {
        steps.extend((0..2).map(|node| Step::TakeLease { node, partition }));
    }
    for node in 0..2 {
        for delivery in cluster.carried() {
            steps.push(Step::Settle { node, delivery });
            steps.push(Step::Tell { node, delivery });
            steps.push(Step::Requeue { node, delivery });
            steps.push(Step::Publish { node, delivery });
            steps.extend([true, false].map(|oldest| Step::TakeOver { node, delivery, oldest }));
            steps.push(Step::Attempt { node, delivery });
        }
    }
    for node in 0..2 {
        steps.extend((0..cluster.documents).map(|document| Step::Commit { node, document }));
        steps.extend(cluster.carried().map(|delivery| Step::SendAgain { node, delivery }));
    }
    steps
}
