//! `lienthong dead-letters`: what somebody has to look at (parked, refused, given up), and what to do about it.

use std::process::ExitCode;

use clap::Subcommand;
use lienthong_pipeline::ports::Listing;

use super::CommandFault;
use super::acts::{Request, Reroute};
use super::deliveries::{List, Show};
use crate::control::desk::Verb;

#[derive(Subcommand)]
pub(super) enum DeadLettersCommand {
    /// Các bản chuyển cần người xử lý / Deliveries that somebody has to look at
    List(List),
    /// Một bản chuyển: văn bản, đường đi, lịch sử / One delivery: document, route, history
    Show(Show),
    /// Gửi lại với cùng mã / Send again under the same id
    Requeue(Request),
    /// Gửi theo đường khác với cùng mã / Send another way under the same id
    Reroute(Reroute),
    /// Thôi gửi và đóng; bên gửi được báo một lần / Give up and close; the sender is told once
    GiveUp(Request),
}

pub(super) fn run(command: DeadLettersCommand) -> Result<ExitCode, CommandFault> {
    match command {
        DeadLettersCommand::List(list) => list.run(Listing::DeadLetters),
        DeadLettersCommand::Show(show) => show.run(),
        DeadLettersCommand::Requeue(request) => request.run(Listing::DeadLetters, Verb::Requeue),
        DeadLettersCommand::Reroute(reroute) => reroute.run(Listing::DeadLetters),
        DeadLettersCommand::GiveUp(request) => request.run(Listing::DeadLetters, Verb::GiveUp),
    }
}
