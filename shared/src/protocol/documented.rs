//! What the API's document is made of: the types that frames are read from and written as.

use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::answers::{ErrorFrame, Framed};
use crate::log::{LagFrame, LoggedFrame, ToldFrame, batch_schema};

/// A type's schema, and those that it refers to by their names.
pub type Described = (RefOr<Schema>, Vec<(String, RefOr<Schema>)>);

/// Describes a type as it is read or written.
pub(crate) fn described<T: ToSchema>() -> Described {
    let mut others = Vec::new();
    T::schemas(&mut others);
    (T::schema(), others)
}

/// The frames that connections are sent. A frame that is one of several has them as its schema's alternatives, each with
/// a title.
pub struct Sent {
    /// To a command.
    pub answers: Described,
    /// To any command.
    pub error: Described,
    /// To nobody's asking.
    pub events: Vec<Described>,
}

/// Describes what connections are sent.
pub fn sent() -> Sent {
    Sent {
        answers: described::<Framed>(),
        error: described::<ErrorFrame>(),
        events: vec![
            described::<LoggedFrame>(),
            described::<ToldFrame>(),
            described::<LagFrame>(),
            (batch_schema().into(), vec![(LoggedFrame::name().into(), LoggedFrame::schema())]),
        ],
    }
}
