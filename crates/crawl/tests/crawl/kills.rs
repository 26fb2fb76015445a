//! A crawl that is killed again and again. RINGDOVE_KILLS and RINGDOVE_PAGES have it be larger than in an ordinary run (`scripts/crawl kills`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ringdove_crawl::frontier::{DiskFrontier, Frontier as _, Seen};

use crate::web::{Size, Web};
use crate::whole::{config, crawl, differences, kept, run};

const DELAY: Duration = Duration::from_millis(10);

/// The crawl that is killed: another process of this program, if it is told a job.
#[test]
fn a_crawl_to_be_killed() {
    let (Ok(job), Ok(seed)) = (std::env::var("CRAWL_JOB"), std::env::var("CRAWL_SEED")) else {
        return;
    };
    run(crawl(Path::new(&job), &seed, config(DELAY)).unwrap()).unwrap();
}

fn begin(job: &Path, web: &Web) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kills::a_crawl_to_be_killed", "--nocapture"])
        .env("CRAWL_JOB", job)
        .env("CRAWL_SEED", web.seed())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |number| number.parse().unwrap())
}

/// What is over by the store, and how often it had been asked for when it said so first: it is never asked for again.
#[derive(Default)]
struct Over(BTreeMap<String, usize>);

impl Over {
    fn look(&mut self, job: &Path, visits: &BTreeMap<String, usize>) {
        let frontier = DiskFrontier::open(&job.join("frontier")).unwrap();
        for (url, count) in visits {
            match self.0.get(url) {
                Some(before) => {
                    assert_eq!(count, before, "{url} was over, and was asked for again")
                }
                None if frontier.seen(url).unwrap() == Some(Seen::Done) => {
                    self.0.insert(url.clone(), *count);
                }
                None => {}
            }
        }
    }
}

/// How often each page was asked for.
fn visits(web: &Web) -> BTreeMap<String, usize> {
    let mut visits = BTreeMap::new();
    for visit in web.visits().iter().filter(|visit| !visit.target.contains("robots")) {
        *visits.entry(web.url_of(visit)).or_insert(0) += 1;
    }
    visits
}

#[test]
fn a_crawl_that_is_killed_at_any_moment_loses_nothing() {
    let (kills, pages) = (number("RINGDOVE_KILLS", 20), number("RINGDOVE_PAGES", 700));
    let hosts = u8::try_from((pages / 400).clamp(12, 240)).unwrap();
    let web = Web::start(Size { seed: 2, hosts, pages: pages / u64::from(hosts) });
    let expected = web.expected();
    let job = tempfile::tempdir().unwrap();
    let mut moments = number("RINGDOVE_SEED", 0x2545_f491_4f6c_dd1d);
    let (mut pauses, mut over) = (Vec::new(), Over::default());
    let mut is_over = false;
    while !is_over && (pauses.len() as u64) < kills {
        moments = moments.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        // a part of all, at random: so many visits, and a little more, wherever it is then between two commits
        let enough = web.count() + usize::try_from((moments >> 33) % (2 * pages / kills)).unwrap();
        let mut child = begin(job.path(), &web);
        while web.count() < enough && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_micros(moments >> 20 & 0x3_ffff));
        child.kill().unwrap();
        is_over = child.wait().unwrap().success();
        pauses.push(Instant::now());
        over.look(job.path(), &visits(&web));
    }
    println!(
        "{} kills in {} pages, of which {} were over",
        pauses.len(),
        expected.len(),
        over.0.len()
    );
    assert!(pauses.len() > 3, "{} kills", pauses.len());
    // the last one is let live
    assert!(begin(job.path(), &web).wait().unwrap().success());
    let visits = visits(&web);
    over.look(job.path(), &visits);
    let faults = web.faults(DELAY, &pauses);
    assert!(faults.is_empty(), "{faults:#?}");
    let kept = kept(job.path());
    let urls: BTreeSet<_> = kept.keys().cloned().collect();
    assert!(urls == expected, "{}", differences(&urls, &expected));
    assert!(kept.values().all(|count| *count == 1), "{kept:?}");
    let is_over = |url: &&String| !over.0.contains_key(*url);
    assert_eq!(expected.iter().find(is_over), None);
    println!("{} requests for {} pages", visits.values().sum::<usize>(), expected.len());
}
