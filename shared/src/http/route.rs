//! Handlers and what the published document says of them: path and method stand once, in `#[utoipa::path]`.

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter};
use utoipa::__dev::{SchemaReferences, Tags};
use utoipa::Path;
use utoipa::openapi::{Components, HttpMethod, OpenApi};
use utoipa_axum::PathItemExt;

use crate::App;

/// A handler where it is served, and how it is described. The description is made only when it is asked for, because a
/// function that starts needs none.
pub struct Route<S = App> {
    path: String,
    methods: MethodRouter<S>,
    pub(super) describe: fn(&mut OpenApi),
}

impl<S: Clone + Send + Sync + 'static> Route<S> {
    /// The handler, and the type that `#[utoipa::path]` made beside it.
    pub fn new<P, H, T>(_: P, handler: H) -> Self
    where
        P: Path + SchemaReferences + for<'t> Tags<'t>,
        H: Handler<T, S>,
        T: 'static,
    {
        let filter = |method: &HttpMethod| method.to_method_filter();
        let filters = P::methods().iter().map(filter).reduce(MethodFilter::or);
        let filter = filters.expect("#[utoipa::path] insists on a method");
        Self { path: P::path(), methods: MethodRouter::new().on(filter, handler), describe: describe::<P> }
    }

    pub(super) fn add_to(self, router: Router<S>) -> Router<S> {
        router.route(&self.path, self.methods)
    }
}

fn describe<P: Path + SchemaReferences + for<'t> Tags<'t>>(document: &mut OpenApi) {
    let mut operation = P::operation();
    operation.tags = Some(P::tags().into_iter().map(str::to_owned).collect());
    document.paths.add_path_operation(P::path(), P::methods(), operation);
    let mut schemas = Vec::new();
    P::schemas(&mut schemas);
    let known = &mut document.components.get_or_insert_with(Components::new).schemas;
    for (name, schema) in schemas {
        assert!(known.get(&name).is_none_or(|known| *known == schema), "two schemas are called {name}");
        known.insert(name, schema);
    }
}

/// The [`Route`]s of handlers that have `#[utoipa::path]`.
#[macro_export]
macro_rules! routes {
    ($($handler:ident),+ $(,)?) => {
        [$($crate::http::paste! { $crate::http::Route::new([<__path_ $handler>], $handler) }),+]
    };
}
