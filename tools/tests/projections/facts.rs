//! What holds of projections into SQL, on both databases.

use std::sync::Arc;
use std::time::Duration;

use annals::sourcing::{CheckpointStore, Follower, ProjectionError, SqlCheckpoints, SqlProjector};
use annals::{Checkpoint, Error, Filter, Log, Reader, Start, Uuid};

use crate::databases::{Testable, on_both};
use crate::steps::{Room, Steps, append, append_many, check, copy};

on_both! {
    what_is_applied_is_applied_once_over_any_number_of_openings;
    an_event_that_cannot_be_applied_stops_it_and_nothing_is_skipped;
    two_projectors_at_once_apply_nothing_twice;
    a_filter_that_matches_nothing_moves_the_checkpoint_to_the_head;
    a_projection_ahead_of_an_older_copy_of_the_log_is_refused;
    a_program_waits_until_its_own_write_is_applied;
    tables_of_another_number_or_filter_are_refused;
    checkpoints_of_followers_are_kept;
}

fn what_is_applied_is_applied_once_over_any_number_of_openings<D: Testable>() {
    let Some(room) = Room::new::<D>() else { return };
    let log = room.log();
    for _ in 0..4 {
        append_many(&log, 25);
        let mut projector = room.open::<D>(log.clone()).transaction_events(7);
        assert_eq!(projector.catch_up().unwrap(), 25);
        assert_eq!(projector.catch_up().unwrap(), 0);
        let progress = projector.progress().unwrap();
        assert_eq!((progress.position, progress.lag_events), (log.head(), 0));
        check(&log, &mut D::connect(&room.place), 1);
    }
    // From another process's view of the log, too.
    let reader = Arc::new(Reader::open(room.directory.path().join("log")).unwrap());
    append_many(&log, 3);
    assert_eq!(room.open::<D>(reader).catch_up().unwrap(), 3);
    check(&log, &mut D::connect(&room.place), 1);
}

fn an_event_that_cannot_be_applied_stops_it_and_nothing_is_skipped<D: Testable>() {
    let Some(room) = Room::new::<D>() else { return };
    let log = room.log();
    append_many(&log, 5);
    let strange = append(&log, "Strange", &["order-9"]);
    append_many(&log, 5);
    let refusing = Steps::<1> { refuses: "Strange", ..Steps::default() };
    let mut projector = SqlProjector::open(log.clone(), D::connect(&room.place), refusing).unwrap();
    let watch = projector.watch();
    for _ in 0..2 {
        let stopped = projector.catch_up().unwrap_err();
        let ProjectionError::Stopped { position, stream, .. } = &stopped else {
            panic!("{stopped}")
        };
        assert_eq!((*position, stream.as_str()), (strange, "order-9"));
        assert!(stopped.to_string().contains("what is \"Strange\"?"), "{stopped}");
        // All before it is there, and nothing of it.
        let mut asking = D::connect(&room.place);
        assert_eq!(asking.number("SELECT COUNT(*) FROM lines"), Some(5));
        assert_eq!(asking.applied("steps").unwrap().unwrap().position, strange - 1);
        assert_eq!(projector.progress().unwrap().lag_events, log.head() + 1 - strange);
        assert!(watch.wait_for(strange, Duration::from_secs(60)).is_err());
    }
    assert_eq!(room.open::<D>(log.clone()).catch_up().unwrap(), 6);
    check(&log, &mut D::connect(&room.place), 1);
}

fn two_projectors_at_once_apply_nothing_twice<D: Testable>() {
    let Some(room) = Room::new::<D>() else { return };
    let log = room.log();
    append_many(&log, 20);
    let (mut first, mut second) = (room.open::<D>(log.clone()), room.open::<D>(log.clone()));
    assert_eq!((first.catch_up().unwrap(), second.catch_up().unwrap()), (20, 0));
    append_many(&log, 20);
    assert_eq!((second.catch_up().unwrap(), first.catch_up().unwrap()), (20, 0));
    drop((first, second));
    append_many(&log, 300);
    let mut applied = 0;
    std::thread::scope(|threads| {
        let run = || {
            threads.spawn(|| {
                let mut projector = room.open::<D>(log.clone()).transaction_events(3);
                projector.catch_up().unwrap()
            })
        };
        let runs = [run(), run(), run()];
        applied = runs.into_iter().map(|run| run.join().unwrap()).sum();
    });
    assert_eq!(applied, 300);
    check(&log, &mut D::connect(&room.place), 1);
}

fn a_filter_that_matches_nothing_moves_the_checkpoint_to_the_head<D: Testable>() {
    let Some(room) = Room::new::<D>() else { return };
    let log = room.log();
    let head = append(&log, "T", &["stock", "stock", "stock"]);
    let mut projector = room.open::<D>(log.clone());
    assert_eq!(projector.catch_up().unwrap(), 0);
    let mut asking = D::connect(&room.place);
    assert_eq!(asking.applied("steps").unwrap().unwrap().position, head);
    // While it runs it writes that down only now and then.
    let more = append(&log, "T", &["stock"]);
    projector.run(|| asking.applied("steps").unwrap().unwrap().position < more).unwrap();
}

fn a_projection_ahead_of_an_older_copy_of_the_log_is_refused<D: Testable>() {
    let Some(room) = Room::new::<D>() else { return };
    let (path, older) = (room.directory.path().join("log"), room.directory.path().join("older"));
    let log = room.log();
    append_many(&log, 10);
    Arc::into_inner(log).unwrap().close().unwrap();
    copy(&path, &older);
    let log = room.log();
    append_many(&log, 10);
    assert_eq!(room.open::<D>(log.clone()).catch_up().unwrap(), 20);
    drop(log);

    let refused = |log: Arc<Log>| {
        let opened = SqlProjector::open(log, D::connect(&room.place), Steps::<1>::default());
        match opened {
            Err(ProjectionError::Ahead { name, source: Error::Diverged { same_until, .. } }) => {
                assert_eq!(name, "steps");
                same_until
            }
            other => panic!("{other:?}"),
        }
    };
    copy(&older, &path);
    let log = room.log();
    // As short as it was, and with other events in those places.
    let head = log.head();
    assert!(refused(log.clone()) <= head);
    append_many(&log, 20);
    assert!(refused(log.clone()) <= head);
    // Another log altogether.
    assert_eq!(refused(Arc::new(Log::open(room.directory.path().join("other")).unwrap())), 0);
    // The way out.
    let rebuilt =
        SqlProjector::rebuild(log.clone(), D::connect(&room.place), Steps::<1>::default());
    rebuilt.unwrap().switch().unwrap();
    check(&log, &mut D::connect(&room.place), 1);
}

fn a_program_waits_until_its_own_write_is_applied<D: Testable>() {
    let Some(room) = Room::new::<D>() else { return };
    let log = room.log();
    let mut projector = room.open::<D>(log.clone());
    let watch = projector.watch();
    let mut asking = D::connect(&room.place);
    let short = Duration::from_millis(1);
    std::thread::scope(|threads| {
        let until = log.head() + 20;
        let shared = watch.clone();
        threads.spawn(move || projector.run(|| shared.position() < until).unwrap());
        for n in 1..=10 {
            let position = append(&log, "T", &["order-1"]);
            assert!(asking.wait_for("steps", position, Duration::from_secs(20)).unwrap());
            assert_eq!(asking.number("SELECT n FROM steps"), Some(2 * n - 1));
            let position = append(&log, "T", &["order-1"]);
            assert!(watch.wait_for(position, Duration::from_secs(20)).unwrap());
            assert_eq!(asking.number("SELECT n FROM steps"), Some(2 * n));
        }
    });
    // Nobody applies any more.
    let position = append(&log, "T", &["order-1"]);
    assert!(!watch.wait_for(position, Duration::from_secs(60)).unwrap());
    assert!(!asking.wait_for("steps", position, short).unwrap());
    assert!(!asking.wait_for("no such", 0, short).unwrap());
}

fn tables_of_another_number_or_filter_are_refused<D: Testable>() {
    let Some(room) = Room::new::<D>() else { return };
    let log = room.log();
    drop(room.open::<D>(log.clone()));
    let number = SqlProjector::open(log.clone(), D::connect(&room.place), Steps::<2>::default());
    assert!(matches!(number, Err(ProjectionError::OtherShape { .. })), "{number:?}");
    let all = Steps::<1> { filter: Filter::new(), ..Steps::default() };
    let filter = SqlProjector::open(log, D::connect(&room.place), all).unwrap_err();
    let said = filter.to_string();
    assert!(said.contains("category=\"order\"") && said.contains("everything"), "{said}");
}

fn checkpoints_of_followers_are_kept<D: Testable>() {
    let Some(room) = Room::new::<D>() else { return };
    let log = room.log();
    append_many(&log, 4);
    let open = || SqlCheckpoints::new(D::connect(&room.place)).unwrap();
    for expected in [4, 0] {
        let mut follower = Follower::open(
            &*log,
            "a/b",
            &Filter::new().category("order"),
            Start::Beginning,
            open(),
        )
        .unwrap();
        assert_eq!(follower.poll(10, &mut |_| {}).unwrap(), expected);
        follower.save().unwrap();
    }
    let kept = open().load("a/b").unwrap().unwrap();
    assert_eq!(open().load("a").unwrap(), None);
    // In a transaction of the caller's: with it, or not at all.
    let other = Checkpoint { log: Uuid::from_u128(7), epoch: Uuid::nil(), position: 1 };
    let mut database = D::connect(&room.place);
    let mut transaction = database.begin().unwrap();
    SqlCheckpoints::<D>::save_in(&mut transaction, "a/b", &other).unwrap();
    assert_eq!(SqlCheckpoints::<D>::load_in(&mut transaction, "a/b").unwrap(), Some(other));
    drop(transaction);
    assert_eq!(open().load("a/b").unwrap(), Some(kept));
}
