use doge_core::{compile, source::Source, spec};
fn main() {
    let path = std::env::args().nth(1).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let t = std::time::Instant::now();
    let source = std::sync::Arc::new(Source::from_bytes(path, &bytes));
    match compile::load(&source, &spec::Overrides::default()) {
        Ok(l) => {
            print!("{}", l.warnings.render(&source, false));
            if std::env::args().nth(2).is_some() { println!("{:#?}", l.model); }
            println!("ok {} digest {:032x}", l.model.name, l.model.digest());
        }
        Err(d) => print!("{}", d.render(&source, false)),
    }
    eprintln!("{:?}", t.elapsed());
}
