//! `cargo run -p lienthong-model`: explores every model and prints what was found; the exit code is 1 where a verdict is not
//! the expected one.
#![expect(clippy::print_stdout, reason = "its result is what it prints")]

use std::process::ExitCode;

use lienthong_model::{broken, explore, whole};

fn main() -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    println!("{:66} {:>9} {:>5} {:>7}  verdict", "model", "states", "depth", "s");
    for subject in whole().into_iter().chain(broken()) {
        let found = explore(&subject);
        let verdict = match (subject.caught_by, found.broken.as_slice()) {
            (None, []) => "holds".to_owned(),
            (Some(property), broken) if broken.iter().any(|(of, _)| *of == property) => {
                format!("caught: {property}")
            }
            (_, broken) => {
                code = ExitCode::FAILURE;
                format!("UNEXPECTED: {broken:#?}")
            }
        };
        let seconds = found.took.as_secs_f64();
        println!("{:66} {:>9} {:>5} {seconds:>7.1}  {verdict}", subject.name, found.states, found.depth);
    }
    code
}
