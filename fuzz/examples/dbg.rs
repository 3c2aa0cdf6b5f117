//! dbg
use annals_fuzz::*;
use annals::io::sim::*;
use std::sync::Arc;
struct D;
impl run::Observe for D { fn moment(&self, disk:&SimStorage, o:&oracle::Oracle)->Result<(),oracle::Broken>{
 let d=disk.fork(); d.kill();
 println!("pend {:?}", d.pending_units().iter().map(|u|format!("{}{:?}{}",&u.name[18.min(u.name.len())..],u.kind,u.suspect)).collect::<Vec<_>>());
 let l=check::must_open(&d,annals::Reading::Pread)?; println!("1: {:?} kept {} fl {:?}", l.recovery(), o.kept.len(), o.flying.is_some()); drop(l);
 println!("pend {:?}", d.pending_units().iter().map(|u|format!("{}{:?}{}",&u.name[18.min(u.name.len())..],u.kind,u.suspect)).collect::<Vec<_>>());
 d.power_cut(LoseAll);
 let l=check::must_open(&d,annals::Reading::Pread)?; println!("2: {}", l.recovery());
 Ok(()) } }
fn main(){ let p:program::Program=std::env::args().nth(1).unwrap().parse().unwrap(); let n=p.0.len(); let r=run::run(&p,Arc::new(D),|s|s+1>=n); println!("{r:?}"); }
