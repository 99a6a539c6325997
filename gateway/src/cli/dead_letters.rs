//! `lienthong dead-letters`: what somebody has to look at (parked, refused, given up), and what to do about it.

use std::process::ExitCode;

use clap::Subcommand;
use lienthong_pipeline::operate::Act;
use lienthong_pipeline::ports::Listing;

use super::CommandFault;
use super::deliveries::{List, Request, Show};

#[derive(Subcommand)]
pub(super) enum DeadLettersCommand {
    /// Các bản chuyển cần người xử lý / Deliveries that somebody has to look at
    List(List),
    /// Một bản chuyển: văn bản, đường đi, lịch sử / One delivery: document, route, history
    Show(Show),
    /// Gửi lại với cùng mã / Send again under the same id
    Requeue(Request),
    /// Thôi gửi và đóng; bên gửi được báo một lần / Give up and close; the sender is told once
    GiveUp(Request),
}

pub(super) fn run(command: DeadLettersCommand) -> Result<ExitCode, CommandFault> {
    match command {
        DeadLettersCommand::List(list) => list.run(Listing::DeadLetters),
        DeadLettersCommand::Show(show) => show.run(),
        DeadLettersCommand::Requeue(request) => request.run(Act::Requeue),
        DeadLettersCommand::GiveUp(request) => request.run(Act::GiveUp),
    }
}
