//! Assertions on the traits of public types, checked at compile time.

/// Fails to compile unless the type has all of these traits.
macro_rules! assert_impl_all {
    ($type:ty: $($bound:path),+ $(,)?) => {
        const _: fn() = || {
            fn check<T: ?Sized $(+ $bound)+>() {}
            check::<$type>();
        };
    };
}

/// Fails to compile if the type has any of these traits: the call is then ambiguous.
#[allow(unused_macros)] // Not every test that includes this file needs it.
macro_rules! assert_not_impl_any {
    ($type:ty: $($bound:path),+ $(,)?) => {
        const _: fn() = || {
            trait Ambiguous<A> {
                fn check() {}
            }
            impl<T: ?Sized> Ambiguous<()> for T {}
            $({
                struct Present;
                impl<T: ?Sized + $bound> Ambiguous<Present> for T {}
            })+
            <$type as Ambiguous<_>>::check()
        };
    };
}
