//! Validation with company: each operator that is valid where it stands is passed on to somebody else, decoded once for both.

use crate::ops::Operators;
use crate::visit::Visitor;
use wasmparser::{Error, FrameKind, FrameStack, VisitOperator, VisitSimdOperator};

/// What a validator says of an operator.
type Validity = Result<(), Error>;

/// Who is told of operators besides the validator.
pub(super) trait Company<'a> {
    /// A validator's visitor with company.
    fn with<V>(self, validator: V) -> impl VisitOperator<'a, Output = Validity> + FrameStack
    where
        V: VisitOperator<'a, Output = Validity> + FrameStack;
}

/// Nobody.
pub(super) struct Alone;

impl<'a> Company<'a> for Alone {
    fn with<V>(self, validator: V) -> impl VisitOperator<'a, Output = Validity> + FrameStack
    where
        V: VisitOperator<'a, Output = Validity> + FrameStack,
    {
        validator
    }
}

/// Somebody who takes operators as they come. Operators of proposals that are not supported must not be valid.
pub(super) struct Beside<'o, O>(pub(super) &'o mut O);

impl<'a, O: Operators<Output = ()>> Company<'a> for Beside<'_, O> {
    fn with<V>(self, validator: V) -> impl VisitOperator<'a, Output = Validity> + FrameStack
    where
        V: VisitOperator<'a, Output = Validity> + FrameStack,
    {
        Both(validator, Visitor(self.0))
    }
}

/// First the validator, then the other, if the operator is valid.
pub(super) struct Both<'s, V, O>(V, Visitor<'s, O>);

impl<V: FrameStack, O> FrameStack for Both<'_, V, O> {
    fn current_frame(&self) -> Option<FrameKind> {
        self.0.current_frame()
    }
}

macro_rules! both {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident ($($rest:tt)*))*) => {$(
        #[inline(always)]
        #[allow(clippy::clone_on_copy, reason = "some are copies")]
        fn $visit(&mut self $($(, $arg: $ty)*)?) -> Validity {
            self.0.$visit($($($arg.clone()),*)?)?;
            self.1.$visit($($($arg),*)?);
            Ok(())
        }
    )*};
}

impl<'a, V, O> VisitOperator<'a> for Both<'_, V, O>
where
    V: VisitOperator<'a, Output = Validity>,
    O: Operators<Output = ()>,
{
    type Output = Validity;

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = Validity>> {
        // Without the validator's there is none for both.
        self.0.simd_visitor().is_some().then_some(self)
    }

    wasmparser::for_each_visit_operator!(both);
}

macro_rules! both_vectors {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident ($($rest:tt)*))*) => {$(
        fn $visit(&mut self $($(, $arg: $ty)*)?) -> Validity {
            self.0.simd_visitor().expect("who asked for this visitor got one").$visit($($($arg),*)?)?;
            self.1.$visit($($($arg),*)?);
            Ok(())
        }
    )*};
}

impl<'a, V, O> VisitSimdOperator<'a> for Both<'_, V, O>
where
    V: VisitOperator<'a, Output = Validity>,
    O: Operators<Output = ()>,
{
    wasmparser::for_each_visit_simd_operator!(both_vectors);
}
