//! fred, in both protocols: streams, its subscriber client, strings; in RESP3 what it is told of keys that it has read. The
//! server is killed in the middle. argv: PORT.
use fred::clients::SubscriberClient;
use fred::interfaces::TrackingInterface;
use fred::prelude::*;
use fred::types::streams::{XReadResponse, XReadValue};
use fred::types::{Message, RespVersion};
use std::time::Duration;
use tokio::sync::broadcast::Receiver;

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), what).await.expect("nothing came for 30 s")
}

struct Day {
    key: String,
    client: Client,
    listening: SubscriberClient,
    messages: Receiver<Message>,
    ids: Vec<String>,
}
impl Day {
    async fn begin(port: u16, version: RespVersion) -> Result<Day, Error> {
        let key = format!("order-{version:?}");
        let mut builder = Builder::from_config(Config {
            version,
            server: ServerConfig::new_centralized("127.0.0.1", port),
            ..Config::default()
        });
        builder.set_policy(ReconnectPolicy::new_constant(0, 50)).with_connection_config(|c| c.max_command_attempts = 100);
        let client = builder.build()?;
        client.init().await?;
        let listening = builder.build_subscriber_client()?;
        listening.init().await?;
        listening.manage_subscriptions(); // it subscribes again
        let messages = listening.message_rx();
        Ok(Day { key, client, listening, messages, ids: vec![] })
    }

    async fn next(&mut self) -> (String, String) {
        let message = soon(self.messages.recv()).await.unwrap();
        (message.channel.to_string(), message.value.convert().unwrap())
    }

    async fn channels(&mut self) -> Result<(), Error> {
        let news = format!("news-{}", self.key);
        self.listening.subscribe(&news).await?;
        self.listening.psubscribe(vec![format!("n*-{}", self.key), format!("__event__:{}*", self.key)]).await?;
        self.listening.ssubscribe(format!("shard-{}", self.key)).await?;
        assert_eq!(self.client.publish::<i64, _, _>(&news, "hello").await?, 2);
        assert_eq!(self.client.spublish::<i64, _, _>(format!("shard-{}", self.key), "shard").await?, 1);
        for payload in ["hello", "hello", "shard"] {
            assert_eq!(self.next().await.1, payload);
        }
        assert!(self.client.pubsub_channels::<Vec<String>, _>("news*").await?.contains(&news));
        Ok(())
    }

    async fn streams(&mut self) -> Result<(), Error> {
        let (client, key) = (self.client.clone(), self.key.clone());
        client.xgroup_create::<(), _, _, _>(&key, "billing", "$", true).await?;
        for n in 0..5 {
            self.ids.push(client.xadd(&key, false, ("MAXLEN", "~", 1000, None), "*", vec![("n", n)]).await?);
            let (channel, event) = self.next().await;
            assert_eq!(channel, format!("__event__:{key}"));
            assert!(event.contains(&format!(r#""data":{{"n":"{n}"}}"#)), "{event}");
        }
        let read: XReadResponse<String, String, String, String> =
            client.xreadgroup_map("billing", "alice", Some(3), None, false, &key, ">").await?;
        assert_eq!(read[&key].len(), 3);
        assert_eq!(client.xack::<i64, _, _, _>(&key, "billing", &self.ids[0]).await?, 1);
        let pending: Vec<(String, String, u64, u64)> = client.xpending(&key, "billing", ("-", "+", 10)).await?;
        assert_eq!(pending.len(), 2);
        let (next, claimed): (String, Vec<XReadValue<String, String, String>>) =
            client.xautoclaim_values(&key, "billing", "bob", 0, "0-0", None, false).await?;
        assert_eq!((next.as_str(), claimed.len()), ("0-0", 2));
        let claimed: Vec<XReadValue<String, String, String>> =
            client.xclaim_values(&key, "billing", "carol", 0, &self.ids[1], None, None, None, false, false).await?;
        assert_eq!(claimed[0].1["n"], "1");
        assert_eq!(client.xinfo_consumers::<Vec<Value>, _, _>(&key, "billing").await?.len(), 3);
        assert_eq!(client.xinfo_groups::<Vec<Value>, _>(&key).await?.len(), 1);
        assert!(matches!(client.xinfo_stream(&key, true, None).await?, Value::Map(_) | Value::Array(_)));
        let range: Vec<XReadValue<String, String, String>> = client.xrevrange_values(&key, "+", "-", Some(2)).await?;
        assert_eq!(range[0].0, self.ids[4]);
        Ok(())
    }

    async fn strings(&self) -> Result<(), Error> {
        let (client, key) = (&self.client, format!("text-{}", self.key));
        let set = Some(SetOptions::NX);
        assert_eq!(
            client
                .set::<Option<String>, _, _>(&key, "three", Some(Expiration::EX(3600)), set.clone(), false)
                .await?
                .as_deref(),
            Some("OK")
        );
        assert_eq!(client.set::<Option<String>, _, _>(&key, "other", None, set, false).await?, None);
        assert_eq!(client.append::<i64, _, _>(&key, " blind").await?, 11);
        assert_eq!(client.setrange::<i64, _, _>(&key, 6, "mice ").await?, 11);
        assert_eq!(client.getrange::<String, _>(&key, 0, 4).await?, "three");
        assert_eq!(client.strlen::<i64, _>(&key).await?, 11);
        assert_eq!(client.getset::<String, _, _>(&key, "four").await?, "three mice ");
        assert_eq!(client.getdel::<String, _>(&key).await?, "four");
        assert_eq!((client.incr_by::<i64, _>(&key, 42).await?, client.decr::<i64, _>(&key).await?), (42, 41));
        assert_eq!(client.incr_by_float::<f64, _>(&key, 0.5).await?, 41.5);
        assert_eq!(client.msetnx::<i64, _>(vec![(key.clone(), ""), (format!("{key}-b"), "")]).await?, 0);
        assert_eq!(
            client.mget::<Vec<Option<String>>, _>(vec![key.clone(), format!("{key}-b")]).await?,
            [Some("41.5".to_string()), None]
        );
        Ok(())
    }

    /// RESP3: the connection is told when somebody changes what it has read.
    async fn tracking(&self, other: &Client) -> Result<(), Error> {
        let mut invalid = self.client.invalidation_rx();
        self.client.start_tracking(None, false, false, false, false).await?;
        other.set::<(), _, _>("price", "1", None, None, false).await?;
        assert_eq!(self.client.get::<String, _>("price").await?, "1");
        other.set::<(), _, _>("price", "2", None, None, false).await?;
        assert_eq!(soon(invalid.recv()).await.unwrap().keys, vec![Key::from("price")]);
        assert_eq!(self.client.get::<String, _>("price").await?, "2");
        self.client.stop_tracking().await
    }

    async fn afterwards(&mut self) -> Result<(), Error> {
        let (client, key) = (self.client.clone(), self.key.clone());
        assert_eq!(client.xlen::<i64, _>(&key).await?, 5);
        let read: XReadResponse<String, String, String, String> =
            client.xreadgroup_map("billing", "carol", None, None, false, &key, "0").await?;
        assert_eq!(read[&key][0].0, self.ids[1]);
        let read: XReadResponse<String, String, String, String> =
            client.xreadgroup_map("billing", "alice", None, Some(100), false, &key, ">").await?;
        assert_eq!(read[&key].len(), 2);
        // The subscriptions come back by themselves; until then, messages are lost.
        let (mut message, mut event) = (false, false);
        while !message || !event {
            client.publish::<i64, _, _>(format!("news-{key}"), "again").await?;
            client.xadd::<String, _, _, _, _>(&key, false, None, "*", vec![("n", "again")]).await?;
            tokio::time::sleep(Duration::from_millis(50)).await;
            while let Ok(got) = self.messages.try_recv() {
                let payload: String = got.value.convert()?;
                message |= payload == "again";
                event |= payload.contains(r#""data":{"n":"again"}"#);
            }
        }
        Ok(())
    }
}

async fn run(port: u16) -> Result<(), Error> {
    let mut days = [Day::begin(port, RespVersion::RESP2).await?, Day::begin(port, RespVersion::RESP3).await?];
    for day in &mut days {
        day.channels().await?;
        day.streams().await?;
        day.strings().await?;
    }
    days[1].tracking(&days[0].client).await?;
    println!("crash");
    tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).unwrap();
        assert_eq!(line, "restarted\n");
    })
    .await
    .unwrap();
    for day in &mut days {
        soon(day.afterwards()).await?;
    }
    days[1].tracking(&days[0].client).await?;
    println!("tried: streams and groups; strings");
    println!(
        "tried: `SubscriberClient` on channels, shard channels, patterns, `__event__:order-*`: it subscribes again by itself"
    );
    println!("tried: `start_tracking` (RESP3)");
    println!("done");
    Ok(())
}

#[tokio::main]
async fn main() {
    println!("version fred {}", env!("CARGO_PKG_VERSION")); // Cargo.toml gives this program fred's version
    run(std::env::args().nth(1).unwrap().parse().unwrap()).await.unwrap();
}
