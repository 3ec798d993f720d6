// The seed's scheduler on Rust's standard library alone: its queues, its data structures and its choice, as the baseline of
// memory.bench.ts. Built with: rustc -O. Usage: seed ready ITEMS | seed dag VIDEOS (a video is five items).
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, RwLock};
use std::time::Instant;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum ModelType { Whisper = 0, VideoMAE = 1, CLAP = 2, Qwen3 = 3, DINOv3 = 4 }
const ALL: [ModelType; 5] = [ModelType::Whisper, ModelType::VideoMAE, ModelType::CLAP, ModelType::Qwen3, ModelType::DINOv3];

#[allow(dead_code)]
#[derive(Debug, Clone)]
struct WorkItem {
    id: String, video_id: String, model_type: ModelType, input_data: String, priority: u32,
    dependencies: Vec<String>, submitted_at: f64, resolved_deps: HashSet<String>,
}
static mut N: u64 = 0;
impl WorkItem {
    fn new(video_id: String, m: ModelType, deps: Vec<String>, priority: u32) -> Self {
        let k = unsafe { N += 1; N };
        WorkItem { id: format!("{}_{:?}_{:032x}", video_id, m, k), video_id, model_type: m, input_data: String::from("{}"),
            priority, dependencies: deps, submitted_at: 0.0, resolved_deps: HashSet::new() }
    }
    fn is_ready(&self) -> bool { self.dependencies.iter().all(|d| self.resolved_deps.contains(d)) }
    fn resolve_dependency(&mut self, d: &str) { self.resolved_deps.insert(d.to_string()); }
}
struct WorkQueue { ready: VecDeque<WorkItem>, waiting: Vec<WorkItem> }
impl WorkQueue {
    fn new() -> Self { WorkQueue { ready: VecDeque::new(), waiting: Vec::new() } }
    fn push(&mut self, item: WorkItem) {
        if item.is_ready() {
            let pos = self.ready.iter().position(|i| i.priority < item.priority).unwrap_or(self.ready.len());
            self.ready.insert(pos, item);
        } else { self.waiting.push(item); }
    }
    fn resolve_dependency(&mut self, d: &str) {
        let mut fresh = Vec::new();
        let mut i = 0;
        while i < self.waiting.len() {
            self.waiting[i].resolve_dependency(d);
            if self.waiting[i].is_ready() { fresh.push(self.waiting.swap_remove(i)); } else { i += 1; }
        }
        for it in fresh { self.push(it); }
    }
}
struct Scheduler { queues: Arc<RwLock<HashMap<ModelType, WorkQueue>>>, current: Arc<RwLock<Option<ModelType>>> }
impl Scheduler {
    fn new() -> Self {
        let mut q = HashMap::new();
        for m in ALL { q.insert(m, WorkQueue::new()); }
        Scheduler { queues: Arc::new(RwLock::new(q)), current: Arc::new(RwLock::new(None)) }
    }
    fn submit(&self, item: WorkItem) -> String {
        let id = item.id.clone();
        self.queues.write().unwrap().get_mut(&item.model_type).unwrap().push(item);
        id
    }
    fn resolve(&self, d: &str) { for q in self.queues.write().unwrap().values_mut() { q.resolve_dependency(d); } }
    fn next(&self, max: usize) -> Option<(ModelType, Vec<WorkItem>)> {
        let cur = *self.current.read().unwrap();
        let mut qs = self.queues.write().unwrap();
        let pick = match cur { Some(c) if !qs[&c].ready.is_empty() => Some(c),
            _ => qs.iter().filter(|(_, q)| !q.ready.is_empty()).max_by_key(|(_, q)| q.ready.len()).map(|(m, _)| *m) };
        let m = pick?;
        let q = qs.get_mut(&m).unwrap();
        let mut b = Vec::new();
        while b.len() < max { match q.ready.pop_front() { Some(i) => b.push(i), None => break } }
        drop(qs);
        *self.current.write().unwrap() = Some(m);
        Some((m, b))
    }
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let n: usize = a[2].parse().unwrap();
    let s = Scheduler::new();
    let t = Instant::now();
    let mut rng: u64 = 88172645463325252;
    let mut next = || { rng ^= rng << 13; rng ^= rng >> 7; rng ^= rng << 17; rng };
    let (mut done, mut switches) = (0usize, 0usize);
    if a[1] == "ready" {
        for i in 0..n { let r = next(); s.submit(WorkItem::new(format!("v{}", i), ALL[(r % 5) as usize], vec![], ((r >> 8) % 10) as u32)); }
    } else {
        for v in 0..n {
            let vid = format!("v{}", v);
            let p = (next() % 10) as u32;
            let mut deps = Vec::new();
            for m in [ModelType::Whisper, ModelType::VideoMAE, ModelType::CLAP, ModelType::DINOv3] { deps.push(s.submit(WorkItem::new(vid.clone(), m, vec![], p))); }
            s.submit(WorkItem::new(vid.clone(), ModelType::Qwen3, deps, p));
        }
    }
    let submitted = t.elapsed().as_secs_f64();
    let mut last = None;
    while let Some((m, b)) = s.next(8) {
        if last != Some(m) { switches += 1; last = Some(m); }
        done += b.len();
        if a[1] != "ready" { for i in &b { s.resolve(&i.id); } }
    }
    let all = t.elapsed().as_secs_f64();
    println!("{} n={} items={} submit_s={:.3} total_s={:.3} items_per_s={:.0} switches={}", a[1], n, done, submitted, all, done as f64 / all, switches);
}
