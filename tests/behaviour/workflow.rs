//! examples/workflow: orders that wait for days, through sleep, restarts and crashes. Three days pass in milliseconds.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use party_store::testing::chance::Chance;
use party_testkit::client::Received;
use party_testkit::world::{Builder, Memory, World};
use party_tests::guests::{guest, scratch};

const SHOP: &str = "main/shop";
const PATH: &str = "/parties/main/shop";
const DAY: Duration = Duration::from_secs(86_400);

/// A world whose main party is the shop, with days of 24 hours.
fn shop(seed: u64) -> Builder {
    World::new(seed).compile_cache(scratch("compiled")).party("main", guest("workflow"))
}

fn with_shop(seed: u64, test: impl AsyncFnOnce(&World) -> Result<()>) {
    shop(seed).run(test);
}

async fn order(world: &World, number: u32, wish: &str) -> Result<()> {
    let placed = format!("order {number} is placed\n");
    world.expect("POST", PATH, wish.as_bytes(), 201, &placed).await
}

async fn pay(world: &World, number: u32) -> Result<()> {
    let path = format!("{PATH}/{number}/pay");
    world.expect("POST", &path, b"", 200, &format!("order {number} is paid\n")).await
}

/// Expects the orders to stand like this: a line each, as in `1 a bicycle: placed, paid`.
async fn expect_orders(world: &World, lines: &[&str]) -> Result<()> {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    world.expect("GET", PATH, b"", 200, &text).await
}

#[test]
fn an_order_is_paid_before_its_first_reminder() {
    with_shop(1, async |world| {
        order(world, 1, " a bicycle ").await?;
        world.advance(DAY / 2).await;
        pay(world, 1).await?;
        expect_orders(world, &["1 a bicycle: placed, paid"]).await?;
        world.advance(DAY / 2).await;
        expect_orders(world, &["1 a bicycle: placed, paid, sent"]).await?;
        world.advance(DAY * 5).await;
        expect_orders(world, &["1 a bicycle: placed, paid, sent"]).await
    });
}

#[test]
fn an_order_is_paid_between_its_reminders_and_after_them() {
    with_shop(2, async |world| {
        order(world, 1, "tea").await?;
        order(world, 2, "milk").await?;
        world.advance(DAY + DAY / 2).await;
        pay(world, 1).await?;
        world.advance(DAY).await;
        pay(world, 2).await?;
        world.advance(DAY).await;
        expect_orders(
            world,
            &[
                "1 tea: placed, reminder 1: 2 days left to pay, paid, sent",
                "2 milk: placed, reminder 1: 2 days left to pay, reminder 2: 1 day left to pay, paid, sent",
            ],
        )
        .await
    });
}

#[test]
fn an_order_that_is_not_paid_ends_after_three_days_to_the_millisecond() {
    with_shop(3, async |world| {
        order(world, 1, "a bicycle").await?;
        let mut told = "1 a bicycle: placed".to_owned();
        for event in [
            "reminder 1: 2 days left to pay",
            "reminder 2: 1 day left to pay",
            "cancelled after 3 days without a payment",
        ] {
            world.advance(DAY - Duration::from_millis(1)).await;
            expect_orders(world, &[&told]).await?;
            world.advance(Duration::from_millis(1)).await;
            told = format!("{told}, {event}");
            expect_orders(world, &[&told]).await?;
        }
        let late = world.request("POST", &format!("{PATH}/1/pay"), b"").await?;
        ensure!(
            (late.status, late.body.as_str()) == (409, "order 1 does not wait for its payment"),
            "{late:?}"
        );
        Ok(())
    });
}

#[test]
fn an_order_waits_while_its_room_sleeps() {
    with_shop(4, async |world| {
        order(world, 1, "a bicycle").await?;
        world.hibernate(SHOP).await?;
        assert!(!world.is_awake(SHOP).await?);
        world.advance(DAY - Duration::from_millis(1)).await;
        assert!(!world.is_awake(SHOP).await?, "nobody is awake for three days");
        world.advance(Duration::from_millis(1)).await;
        assert!(world.is_awake(SHOP).await?, "it woke by itself for the reminder");
        world.hibernate(SHOP).await?;
        pay(world, 1).await?;
        world.hibernate(SHOP).await?;
        world.advance(DAY / 2).await;
        expect_orders(world, &["1 a bicycle: placed, reminder 1: 2 days left to pay, paid, sent"]).await
    });
}

#[test]
fn an_order_goes_on_after_a_restart_of_the_host() {
    with_shop(5, async |world| {
        order(world, 1, "paid").await?;
        order(world, 2, "not paid").await?;
        world.advance(DAY).await;
        world.restart_host().await?;
        pay(world, 1).await?;
        world.restart_host().await?;
        world.advance(DAY).await;
        world.restart_host().await?;
        world.advance(DAY).await;
        expect_orders(
            world,
            &[
                "1 paid: placed, reminder 1: 2 days left to pay, paid, sent",
                "2 not paid: placed, reminder 1: 2 days left to pay, reminder 2: 1 day left to pay, \
                 cancelled after 3 days without a payment",
            ],
        )
        .await
    });
}

#[test]
fn what_has_become_due_without_a_host_happens_when_there_is_one() {
    with_shop(14, async |world| {
        order(world, 1, "a bicycle").await?;
        world.restart_host_after(DAY * 2).await?;
        world.settle().await;
        let told = "1 a bicycle: placed, reminder 1: 2 days left to pay, reminder 2: 1 day left to pay";
        expect_orders(world, &[told]).await?;
        world.restart_host_after(DAY * 30).await?;
        expect_orders(world, &[&format!("{told}, cancelled after 3 days without a payment")]).await?;
        order(world, 2, "another").await
    });
}

#[test]
fn an_order_that_slept_outlives_a_crash_and_nobody_has_to_look() {
    with_shop(6, async |world| {
        order(world, 1, "a bicycle").await?;
        // One that comes to rest is kept after ten seconds at the latest.
        world.advance(Duration::from_secs(11)).await;
        for _ in 0..3 {
            world.crash().await?;
            world.advance(DAY).await;
        }
        expect_orders(
            world,
            &["1 a bicycle: placed, reminder 1: 2 days left to pay, reminder 2: 1 day left to pay, \
               cancelled after 3 days without a payment"],
        )
        .await
    });
}

#[test]
fn with_durable_memory_a_crash_takes_nothing_back() {
    shop(15).memory(Memory::Durable).run(async |world| {
        let mut alice = world.connect("main", "shop").await?;
        alice.expect_text(r#"{"orders":[]}"#).await?;
        alice.send(r#"{"order":"paid"}"#).await?;
        ensure!(alice.next().await.is_some(), "the order is acknowledged");
        world.crash().await?;
        order(world, 2, "not paid").await?;
        world.crash().await?;
        pay(world, 1).await?;
        for _ in 0..6 {
            world.crash().await?;
            world.advance(DAY / 2).await;
        }
        expect_orders(
            world,
            &[
                "1 paid: placed, paid, sent",
                "2 not paid: placed, reminder 1: 2 days left to pay, reminder 2: 1 day left to pay, \
                 cancelled after 3 days without a payment",
            ],
        )
        .await
    });
}

#[test]
fn orders_do_not_wait_for_each_other() {
    with_shop(7, async |world| {
        order(world, 1, "first").await?;
        world.advance(DAY / 2).await;
        order(world, 2, "second").await?;
        world.hibernate(SHOP).await?;
        world.advance(DAY / 2).await;
        expect_orders(world, &["1 first: placed, reminder 1: 2 days left to pay", "2 second: placed"])
            .await?;
        pay(world, 2).await?;
        world.advance(DAY * 2).await;
        expect_orders(
            world,
            &[
                "1 first: placed, reminder 1: 2 days left to pay, reminder 2: 1 day left to pay, \
                 cancelled after 3 days without a payment",
                "2 second: placed, paid, sent",
            ],
        )
        .await
    });
}

#[test]
fn every_page_is_shown_what_happens() {
    with_shop(8, async |world| {
        let mut alice = world.connect("main", "shop").await?;
        alice.expect_text(r#"{"orders":[]}"#).await?;
        let mut bob = world.connect("main", "shop").await?;
        bob.expect_text(r#"{"orders":[]}"#).await?;
        let placed = world.now();
        alice.send(r#"{"order":"a bicycle"}"#).await?;
        let shown = |more: &str, waits: bool| {
            let story = format!(r#"[{{"at":{},"what":"placed"}}{more}]"#, placed.0);
            format!(r#"{{"order":{{"number":1,"wish":"a bicycle","story":{story},"waits":{waits}}}}}"#)
        };
        alice.expect_text(&shown("", true)).await?;
        bob.expect_text(&shown("", true)).await?;
        world.hibernate(SHOP).await?;
        bob.send(r#"{"pay":1}"#).await?;
        let paid = shown(&format!(r#",{{"at":{},"what":"paid"}}"#, placed.0), false);
        alice.expect_text(&paid).await?;
        bob.expect_text(&paid).await?;
        bob.send(r#"{"pay":1}"#).await?;
        bob.expect_text(r#"{"sorry":"order 1 does not wait for its payment"}"#).await?;
        bob.send(r#"{"pay":2}"#).await?;
        bob.expect_text(r#"{"sorry":"there is no order 2"}"#).await?;
        bob.send("what?").await?;
        let Some(Received::Text(sorry)) = bob.next().await else { panic!("no answer") };
        assert!(sorry.starts_with(r#"{"sorry":""#), "{sorry}");
        alice.expect_nothing().await
    });
}

#[test]
fn what_is_no_order_is_refused() {
    with_shop(9, async |world| {
        for (method, path, body, status) in [
            ("POST", PATH, "  ", 400),
            ("POST", "/parties/main/shop/1/pay", "", 404),
            ("POST", "/parties/main/shop/one/pay", "", 404),
            ("POST", "/parties/main/shop/1/eat", "", 404),
            ("DELETE", PATH, "", 405),
            ("GET", "/parties/main/shop/1/pay", "", 405),
        ] {
            let answer = world.request(method, path, body.as_bytes()).await?;
            ensure!(answer.status == status, "{method} {path}: {answer:?}");
        }
        expect_orders(world, &[]).await
    });
}

#[test]
fn a_hundred_open_orders_are_enough_and_old_ones_make_place() {
    with_shop(10, async |world| {
        for number in 1..=100 {
            order(world, number, "one of many").await?;
        }
        let refused = world.request("POST", PATH, b"one more").await?;
        ensure!(refused.status == 503 && refused.body.starts_with("100 orders are open"), "{refused:?}");
        pay(world, 7).await?;
        let refused = world.request("POST", PATH, b"one more").await?;
        ensure!(refused.status == 503, "one that is paid and not sent is open: {refused:?}");
        world.advance(DAY / 2).await;
        order(world, 101, "one more").await?;
        let all = world.request("GET", PATH, b"").await?.body;
        ensure!(!all.contains("\n7 ") && all.ends_with("\n101 one more: placed\n"), "{all}");
        Ok(())
    });
}

#[test]
fn the_length_of_a_day_is_a_var() {
    shop(11).var("DAY_SECONDS", "20").run(async |world| {
        order(world, 1, "a bicycle").await?;
        world.advance(Duration::from_secs(60)).await;
        let told = world.request("GET", PATH, b"").await?.body;
        ensure!(told.ends_with("cancelled after 3 days without a payment\n"), "{told}");
        Ok(())
    });
    shop(12).var("DAY_SECONDS", "soon").run(async |world| {
        let refused = world.request("POST", PATH, b"a bicycle").await?;
        ensure!(refused.status == 500 && refused.body.contains(r#"DAY_SECONDS is "soon""#), "{refused:?}");
        expect_orders(world, &[]).await
    });
}

#[test]
fn an_order_and_its_payment_are_seen_by_who_comes_later() {
    with_shop(13, async |world| {
        order(world, 1, "a bicycle").await?;
        world.advance(DAY * 3).await;
        world.hibernate(SHOP).await?;
        let mut alice = world.connect("main", "shop").await?;
        let Some(Received::Text(orders)) = alice.next().await else { panic!("no orders") };
        let waits = orders.strip_suffix("}]}").and_then(|orders| orders.rsplit(r#""waits":"#).next());
        ensure!(waits.context("an order")? == "false", "a cancelled order cannot be paid: {orders}");
        Ok(())
    });
}

#[test]
fn what_a_warehouse_has_is_sold_once_whenever_the_host_dies() {
    for seed in 0..24 {
        let mut chance = Chance::new(seed);
        let world = shop(seed).memory(Memory::Durable).var("WAREHOUSE", "warehouse");
        world.run(async |world| {
            let shelf = "/parties/main/warehouse/stock";
            world.expect("POST", shelf, b"3 tea", 200, "3 tea\n").await?;
            // Five who want one of three: who pays has it sent, who does not gives it back.
            for number in 1..=5 {
                order(world, number, "tea").await?;
                die_perhaps(world, &mut chance).await?;
            }
            world.advance(Duration::from_secs(60)).await;
            let told = world.request("GET", PATH, b"").await?.body;
            let has: Vec<bool> = told.lines().map(|line| line.ends_with(": placed")).collect();
            let sold_out = told.lines().filter(|line| line.ends_with(": placed, sold out")).count();
            ensure!((has.iter().filter(|has| **has).count(), sold_out) == (3, 2), "{told}");
            world.expect("GET", shelf, b"", 200, "0 tea, 3 set aside\n").await?;

            let has = (1..).zip(has).filter(|(_, has)| *has).map(|(number, _)| number);
            let paid: Vec<u32> = has.filter(|_| chance.one_in(2)).collect();
            for number in &paid {
                pay(world, *number).await?;
                die_perhaps(world, &mut chance).await?;
            }
            for _ in 0..6 {
                world.advance(DAY / 2).await;
                die_perhaps(world, &mut chance).await?;
            }
            world.advance(Duration::from_secs(60)).await;
            let told = world.request("GET", PATH, b"").await?.body;
            let sent = told.lines().filter(|line| line.ends_with("paid, sent")).count();
            ensure!(sent == paid.len(), "{paid:?}: {told}");
            world.expect("GET", shelf, b"", 200, &format!("{} tea\n", 3 - sent)).await
        });
    }
}

/// The host dies, or ends, or a room sleeps; or nothing happens.
async fn die_perhaps(world: &World, chance: &mut Chance) -> Result<()> {
    match chance.below(5) {
        0 => world.crash().await,
        1 => world.restart_host().await,
        2 => world.hibernate(SHOP).await,
        3 => world.hibernate("main/warehouse").await,
        _ => Ok(()),
    }
}
