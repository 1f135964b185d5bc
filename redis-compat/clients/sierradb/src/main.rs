//! Everything that sierradb-client 0.3.1 can send, as its users write it: each call, what it gives, how it names errors,
//! and each form of a subscription, which has to bring exactly the events that it asks for. argv[1] is the port.
use sierradb_client::*;
use std::collections::HashMap;
use std::fmt::{Debug, Display};
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};
use uuid::Uuid;
use AsyncTypedCommands as Calls;

static FAILED: AtomicU32 = AtomicU32::new(0);

fn check(what: &str, good: bool, detail: impl Display) {
    if good {
        println!("ok {what}");
    } else {
        eprintln!("FAIL {what}: {detail}");
        FAILED.fetch_add(1, Ordering::Relaxed);
    }
}

fn given<T: Debug, E: Display>(what: &str, result: Result<T, E>, good: impl Fn(&T) -> bool) -> Option<T> {
    match result {
        Ok(value) => {
            check(what, good(&value), format!("{value:?}"));
            Some(value)
        }
        Err(e) => {
            check(what, false, e);
            None
        }
    }
}

fn refused<T: Debug>(what: &str, code: ErrorCode, result: Result<T, redis::RedisError>) {
    match result {
        Ok(value) => check(what, false, format!("was not refused: {value:?}")),
        Err(e) => {
            let e = SierraError::from(e);
            check(what, e.error_code() == Some(code), e);
        }
    }
}

type Connection = redis::aio::MultiplexedConnection;

/// EAPPEND with every option: five events in `account`. Returns the partition.
async fn appends(c: &mut Connection, account: &str, order: &str) -> Option<u16> {
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
    let key = stream_partition_key(account);
    let first = given(
        "EAPPEND to an empty stream, payload, metadata",
        Calls::eappend(c, account, "Opened", EAppendOptions::new().expected_version(ExpectedVersion::Empty).payload(br#"{"n":1}"#).metadata(br#"{"m":1}"#)).await,
        |i| i.stream_version == 0,
    );
    given(
        "EAPPEND at a version, with a time and bytes",
        Calls::eappend(c, account, "Paid", EAppendOptions::new().expected_version(ExpectedVersion::Exact(0)).timestamp(at).payload(vec![0u8, 1, 255, 13, 10])).await,
        |i| i.timestamp == at && i.stream_version == 1,
    );
    given("EAPPEND to an existing stream", Calls::eappend(c, account, "Paid", EAppendOptions::new().expected_version(ExpectedVersion::Exists)).await, |i| i.stream_version == 2);
    given("EAPPEND whatever the version", Calls::eappend(c, account, "Paid", EAppendOptions::new()).await, |i| i.stream_version == 3);
    // An id as SierraDB wants it: 16 bits of the key's hash are in it.
    let hash = (key.as_u128() >> 46) & 0xffff;
    let id = Uuid::from_u128((Uuid::now_v7().as_u128() & !(0xffffu128 << 46)) | (hash << 46));
    let with_id = || EAppendOptions::new().event_id(id).partition_key(key).expected_version(ExpectedVersion::Exact(3));
    given("EAPPEND with an event id", Calls::eappend(c, account, "WithId", with_id().payload(b"x")).await, |i| i.event_id == id && i.stream_version == 4);
    given("the same again is the same event", Calls::eappend(c, account, "WithId", with_id().payload(b"x")).await, |i| i.stream_version == 4);
    // A code that the client does not know: SierraDB stores the event a second time.
    let other = Calls::eappend(c, account, "WithId", EAppendOptions::new().event_id(id).partition_key(key).payload(b"y")).await;
    check("the same id with another payload", other.as_ref().is_err_and(|e| e.code() == Some("DUPLICATEID")), format!("{other:?}"));
    refused("EAPPEND at a wrong version", ErrorCode::WrongVer, Calls::eappend(c, account, "No", EAppendOptions::new().expected_version(ExpectedVersion::Exact(77))).await);
    refused("EAPPEND to an empty stream that is not", ErrorCode::WrongVer, Calls::eappend(c, account, "No", EAppendOptions::new().expected_version(ExpectedVersion::Empty)).await);
    given("EAPPEND with the key of another stream", Calls::eappend(c, order, "Placed", EAppendOptions::new().partition_key(key)).await, |i| i.stream_version == 0);
    given("ESVER with that key", Calls::esver_with_partition_key(c, order, key).await, |v| *v == Some(0));
    if let Some(first) = &first {
        given("EGET", Calls::eget(c, first.event_id).await, |e| e.as_ref().is_some_and(|e| e.stream_version == 0));
    }
    given("EGET of nothing", Calls::eget(c, Uuid::new_v4()).await, |e| e.is_none());
    first.map(|i| i.partition_id)
}

/// EMAPPEND: three events of two streams, and one that must leave nothing.
async fn transactions(c: &mut Connection, x: &str, y: &str) {
    let key = stream_partition_key(x);
    let events = [
        EMAppendEvent::new(x, "Debited").expected_version(ExpectedVersion::Empty).payload(b"10"),
        EMAppendEvent::new(y, "Credited").expected_version(ExpectedVersion::Empty).payload(b"10").metadata(b"meta"),
        EMAppendEvent::new(x, "Debited").expected_version(ExpectedVersion::Exact(0)).payload(b"11"),
    ];
    given("EMAPPEND of three events", Calls::emappend(c, key, &events).await, |m| {
        m.events.len() == 3 && m.last_partition_sequence == m.first_partition_sequence + 2 && m.events[2].stream_version == 1
    });
    let wrong = [
        EMAppendEvent::new(x, "Debited").expected_version(ExpectedVersion::Exact(1)),
        EMAppendEvent::new(y, "Credited").expected_version(ExpectedVersion::Exact(9)),
    ];
    refused("EMAPPEND whose second stream has another version", ErrorCode::WrongVer, Calls::emappend(c, key, &wrong).await);
    given("and nothing of it is there", Calls::esver(c, x).await, |v| *v == Some(1));
}

async fn reads(c: &mut Connection, account: &str, partition: u16) {
    let key = stream_partition_key(account);
    given("ESVER", Calls::esver(c, account).await, |v| *v == Some(4));
    given("ESVER of nothing", Calls::esver(c, "no-such-stream").await, |v| v.is_none());
    given("EPSEQ by key", Calls::epseq_by_key(c, key).await, |s| s.is_some());
    given("EPSEQ by id", Calls::epseq_by_id(c, partition).await, |s| s.is_some());
    refused("EPSEQ of a partition that is not here", ErrorCode::ClusterDown, Calls::epseq_by_id(c, 17).await);
    for (what, from, to, count, found, more) in [
        ("ESCAN of all", 0, None, None, 5, false),
        ("ESCAN 0 2 COUNT 2", 0, Some(2), Some(2), 2, true),
        ("ESCAN 0 1 COUNT 2", 0, Some(1), Some(2), 2, false),
    ] {
        given(what, Calls::escan(c, account, from, to, count).await, |b| b.events.len() == found && b.has_more == more);
    }
    given("ESCAN with the key", Calls::escan_with_partition_key(c, account, key, 0, None, Some(10_000)).await, |b| b.events.len() == 5);
    given("ESCAN of nothing", Calls::escan(c, "no-such-stream", 0, None, None).await, |b| b.events.is_empty());
    given("EPSCAN by key", Calls::epscan_by_key(c, key, 0, None, Some(3)).await, |b| b.events.len() == 3 && b.has_more);
    given("EPSCAN by id", Calls::epscan_by_id(c, partition, 0, Some(1), None).await, |b| b.events.len() == 2);
    refused("EPSCAN of a partition that is not here", ErrorCode::ClusterDown, Calls::epscan_by_id(c, 17, 0, None, None).await);
}

/// One connection that many use at once, pipelines, a transaction, and a blocking client, by each end of the URL.
async fn connections(c: &mut Connection, name: impl Fn(&str) -> String, port: &str, ends: &[&str]) {
    let mut tasks = Vec::new();
    for i in 0..200 {
        let (mut c, stream) = (c.clone(), name(&format!("many{i}")));
        tasks.push(tokio::spawn(async move { Calls::eappend(&mut c, stream, "E", EAppendOptions::new().expected_version(ExpectedVersion::Empty)).await.is_ok() }));
    }
    let mut good = 0;
    for task in tasks {
        good += task.await.unwrap() as u32;
    }
    check("200 appends at once on one connection", good == 200, good);
    let mut p = redis::pipe();
    PipelineExt::eappend(&mut p, name("p1"), "E", EAppendOptions::new());
    PipelineExt::esver(&mut p, "no-such-stream");
    let result: Result<(AppendInfo, Option<u64>), _> = p.query_async(c).await;
    given("a pipeline", result, |(_, version)| version.is_none());
    let mut p = redis::pipe();
    p.atomic();
    PipelineExt::eappend(&mut p, name("p2"), "E", EAppendOptions::new());
    PipelineExt::eappend(&mut p, name("p3"), "E", EAppendOptions::new());
    let result: Result<(AppendInfo, AppendInfo), _> = p.query_async(c).await;
    given("an atomic pipeline", result, |(a, b)| b.partition_sequence == a.partition_sequence + 1);
    for (i, end) in ends.iter().enumerate() {
        let (url, stream) = (format!("redis://127.0.0.1:{port}/{end}"), name(&format!("sync{i}")));
        let result = tokio::task::spawn_blocking(move || -> Result<_, redis::RedisError> {
            let mut c = redis::Client::open(url)?.get_connection()?;
            TypedCommands::eappend(&mut c, &stream, "E", EAppendOptions::new())?;
            TypedCommands::escan(&mut c, &stream, 0, None, None)
        })
        .await
        .unwrap();
        given(&format!("a blocking client, /{end}"), result, |b| b.events.len() == 1 && !b.has_more);
    }
}

/// Where a subscription begins.
enum From {
    Now,
    Version(u64),
    Sequence(u64),
}

/// Takes a subscription, appends to `account`, and reads until that comes: no event may be missing or come twice. It
/// acknowledges as it goes, so that small windows suffice.
async fn subscribed(what: &str, c: &mut Connection, account: &str, from: From, call: impl Future<Output = redis::RedisResult<EventSubscription>>) {
    let limit = Duration::from_secs(20);
    let mut subscription = match tokio::time::timeout(limit, call).await {
        Ok(Ok(s)) => s,
        Ok(Err(e)) => return check(what, false, e),
        Err(_) => return check(what, false, "no answer"),
    };
    let live = match Calls::eappend(c, account, "Live", EAppendOptions::new()).await {
        Ok(info) => info,
        Err(e) => return check(what, false, e),
    };
    let mut next = match from {
        From::Now => live.partition_sequence,
        From::Version(n) | From::Sequence(n) => n,
    };
    let mut cursors = 0;
    loop {
        let (event, cursor) = match tokio::time::timeout(limit, subscription.next_message()).await {
            Ok(Some(SierraMessage::Event { event, cursor })) => (event, cursor),
            Ok(Some(_)) => continue,
            Ok(None) => return check(what, false, "it ended"),
            Err(_) => return check(what, false, format!("{cursors} events, and then no more")),
        };
        let place = if let From::Version(_) = from { event.stream_version } else { event.partition_sequence };
        if place != next || cursor != cursors {
            return check(what, false, format!("event {place}, cursor {cursor}, but {next}, {cursors} was to come"));
        }
        next += 1;
        cursors += 1;
        if let Err(e) = subscription.acknowledge_up_to_cursor(cursor).await {
            return check(what, false, format!("EACK: {e}"));
        }
        if event.event_id == live.event_id {
            return check(what, true, "");
        }
    }
}

async fn subscriptions(c: &mut Connection, port: &str, account: &str, p: u16) -> redis::RedisResult<()> {
    use From::*;
    // The library takes pushes only where the URL says so.
    let mut m = redis::Client::open(format!("redis://127.0.0.1:{port}/?protocol=resp3"))?.subscription_manager().await?;
    let key = stream_partition_key(account);
    let a = account;
    macro_rules! all { ($($from:expr, $method:ident($($arg:expr),*);)*) => { $(
        subscribed(concat!(stringify!($method), "(", stringify!($($arg),*), ")"), c, account, $from, m.$method($($arg),*)).await;
    )* } }
    all! {
        Now, subscribe_to_stream(a);
        Now, subscribe_to_stream_with_window(a, 10);
        Version(0), subscribe_to_stream_from_version(a, 0);
        Version(1), subscribe_to_stream_from_version_with_window(a, 1, 100);
        Now, subscribe_to_stream_with_partition_key(a, key);
        Now, subscribe_to_stream_with_partition_key_and_window(a, key, 10);
        Version(2), subscribe_to_stream_with_partition_and_version(a, key, 2);
        Version(0), subscribe_to_stream_with_partition_and_version_and_window(a, key, 0, 3);
        Now, subscribe_to_stream_from_latest(a);
        Now, subscribe_to_partition(p);
        Now, subscribe_to_partition_with_window(p, 5);
        Now, subscribe_to_partition_key(key);
        Now, subscribe_to_partition_key_with_window(key, 5);
        Sequence(0), subscribe_to_partition_from_sequence(p, 0);
        Sequence(3), subscribe_to_partition_from_sequence_with_window(p, 3, 2);
        Sequence(0), subscribe_to_partition_key_from_sequence(key, 0);
        Sequence(0), subscribe_to_partition_key_from_sequence_with_window(key, 0, 3);
        Sequence(0), subscribe_to_partitions("*", 0, Some(1000));
        Sequence(7), subscribe_to_partitions("0,1,5", 7, None);
        Sequence(0), subscribe_to_partition_range(0, 31, 0, None);
        Sequence(0), subscribe_to_all_partitions(0, Some(10_000));
        Sequence(4), subscribe_to_partitions_with_sequences(HashMap::from([(p, 4)]), Some(10));
        Sequence(2), subscribe_to_all_partitions_with_fallback(HashMap::from([(p, 2)]), 0, Some(100));
        Now, subscribe_to_all_partitions_flexible(HashMap::new(), None, None);
        Sequence(0), subscribe_to_all_partitions_flexible(HashMap::new(), Some(0), Some(10_000));
        Now, subscribe_to_all_partitions_from_latest();
    }
    refused("EACK of a subscription that does not exist", ErrorCode::NotFound, Calls::eack(c, Uuid::new_v4(), 3).await);
    Ok(())
}

#[tokio::main]
async fn main() -> redis::RedisResult<()> {
    let port = std::env::args().nth(1).expect("a port");
    // Without argv[2], ?protocol=resp3, the server has `default-resp 3`.
    let ends: Vec<String> = std::env::args().skip(2).collect();
    let ends = if ends.is_empty() { vec!["", "?protocol=resp3"] } else { vec![ends[0].as_str()] };
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}/{}", ends[0]))?;
    println!("version 0.3.1");
    let mut c = client.get_multiplexed_async_connection().await?;
    let run = Uuid::new_v4().simple().to_string()[..8].to_string();
    let name = |n: &str| format!("acct{run}-{n}");
    given("HELLO", Calls::hello(&mut c, 3).await, |_| true);
    given("PING", Calls::ping(&mut c).await, |_| true);
    let account = name("a");
    let partition = appends(&mut c, &account, &name("order")).await.unwrap_or(0);
    transactions(&mut c, &name("x"), &name("y")).await;
    reads(&mut c, &account, partition).await;
    connections(&mut c, name, &port, &ends).await;
    subscriptions(&mut c, &port, &account, partition).await?;
    given("PING at the end", Calls::ping(&mut c).await, |_| true);
    if FAILED.load(Ordering::Relaxed) > 0 {
        std::process::exit(1);
    }
    println!("done");
    Ok(())
}
