//! One clock for all processes of a machine, in nanoseconds.

/// The time since some moment that is the same for all processes.
#[cfg(target_os = "linux")]
pub fn now() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(now.tv_nsec).unwrap_or(0))
}

/// The time since some moment that is the same for all processes. Jumps with the time of day.
#[cfg(not(target_os = "linux"))]
pub fn now() -> u64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #[test]
    fn time_goes_on() {
        let before = super::now();
        std::thread::sleep(std::time::Duration::from_millis(5));
        let took = super::now() - before;
        assert!((4_000_000..5_000_000_000).contains(&took), "{took} ns");
    }
}
