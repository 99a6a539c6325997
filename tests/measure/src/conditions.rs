//! What a figure depends on and does not say itself: machine, kernel, disk, and who else is at work.

use std::path::Path;

use crate::print;

/// Prints the conditions of measurements in a folder, but for the load.
pub fn tell(folder: &Path) {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let kernel = first_line("/proc/sys/kernel/osrelease");
    print(&format!("cpu:    {cores} cores, {}", cpu().unwrap_or_else(|| "unknown".to_owned())));
    print(&format!("kernel: {kernel}"));
    print(&format!("disk:   {}", mount(folder).unwrap_or_else(|| "unknown".to_owned())));
}

/// Prints the load averages (proc(5), `loadavg`) under a word for the moment.
pub fn tell_load(when: &str) {
    let load = first_line("/proc/loadavg");
    let averages: Vec<&str> = load.split(' ').take(3).collect();
    print(&format!("load:   {} (1, 5, 15 min) {when}", averages.join(" ")));
}

fn first_line(path: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").to_owned()
}

fn cpu() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let model = text.lines().find(|line| line.starts_with("model name"))?;
    Some(model.split_once(':')?.1.trim().to_owned())
}

/// Device, type and options of the mount that a folder is on (proc(5), `mounts`): the longest mount point above it.
fn mount(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let above = fields.filter(|fields| fields.len() > 3 && folder.starts_with(fields[1]));
    let nearest = above.max_by_key(|fields| fields[1].len())?;
    Some(format!("{} on {}, {} ({})", nearest[0], nearest[1], nearest[2], nearest[3]))
}
