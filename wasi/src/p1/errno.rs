//! Error numbers as the guest sees them, and how a call can fail.

use sconce_engine::GuestFault;
use std::borrow::Cow;

macro_rules! errnos {
    ($($number:literal $name:ident $(= $host:ident)?;)*) => {
        /// `errno` of preview 1 and of `wasi_unstable`, which agree.
        #[derive(Copy, Clone, Debug, PartialEq, Eq)]
        #[repr(u16)]
        pub(crate) enum Errno { $($name = $number,)* }

        impl Errno {
            /// By its number.
            pub(crate) fn of(number: u16) -> Option<Errno> {
                match number {
                    $($number => Some(Errno::$name),)*
                    _ => None,
                }
            }

            /// The specification's name.
            pub(crate) fn name(self) -> Cow<'static, str> {
                match self {
                    // The only one that begins with a digit.
                    _ if self == Errno::TooBig => Cow::Borrowed("2big"),
                    $(Errno::$name => Cow::Owned(stringify!($name).to_ascii_lowercase()),)*
                }
            }
        }

        impl From<rustix::io::Errno> for Errno {
            /// The kernel's number by its name; those that WASI has no name for are `Io`.
            fn from(e: rustix::io::Errno) -> Errno {
                match e {
                    $($(rustix::io::Errno::$host => Errno::$name,)?)*
                    _ => Errno::Io,
                }
            }
        }
    };
}

errnos! {
    0 Success; 1 TooBig = TOOBIG; 2 Acces = ACCESS; 3 AddrInUse = ADDRINUSE; 4 AddrNotAvail = ADDRNOTAVAIL;
    5 AfNoSupport = AFNOSUPPORT; 6 Again = AGAIN; 7 Already = ALREADY; 8 BadF = BADF; 9 BadMsg = BADMSG; 10 Busy = BUSY;
    11 Canceled = CANCELED; 12 Child = CHILD; 13 ConnAborted = CONNABORTED; 14 ConnRefused = CONNREFUSED;
    15 ConnReset = CONNRESET; 16 Deadlk = DEADLK; 17 DestAddrReq = DESTADDRREQ; 18 Dom = DOM; 19 DQuot = DQUOT;
    20 Exist = EXIST; 21 Fault = FAULT; 22 FBig = FBIG; 23 HostUnreach = HOSTUNREACH; 24 IdRm = IDRM; 25 IlSeq = ILSEQ;
    26 InProgress = INPROGRESS; 27 Intr = INTR; 28 Inval = INVAL; 29 Io = IO; 30 IsConn = ISCONN; 31 IsDir = ISDIR;
    32 Loop = LOOP; 33 MFile = MFILE; 34 MLink = MLINK; 35 MsgSize = MSGSIZE; 36 Multihop = MULTIHOP;
    37 NameTooLong = NAMETOOLONG; 38 NetDown = NETDOWN; 39 NetReset = NETRESET; 40 NetUnreach = NETUNREACH; 41 NFile = NFILE;
    42 NoBufs = NOBUFS; 43 NoDev = NODEV; 44 NoEnt = NOENT; 45 NoExec = NOEXEC; 46 NoLck = NOLCK; 47 NoLink = NOLINK;
    48 NoMem = NOMEM; 49 NoMsg = NOMSG; 50 NoProtoOpt = NOPROTOOPT; 51 NoSpc = NOSPC; 52 NoSys = NOSYS; 53 NotConn = NOTCONN;
    54 NotDir = NOTDIR; 55 NotEmpty = NOTEMPTY; 56 NotRecoverable = NOTRECOVERABLE; 57 NotSock = NOTSOCK;
    58 NotSup = OPNOTSUPP; 59 NoTty = NOTTY; 60 NxIo = NXIO; 61 Overflow = OVERFLOW; 62 OwnerDead = OWNERDEAD; 63 Perm = PERM;
    64 Pipe = PIPE; 65 Proto = PROTO; 66 ProtoNoSupport = PROTONOSUPPORT; 67 Prototype = PROTOTYPE; 68 Range = RANGE;
    69 RoFs = ROFS; 70 SPipe = SPIPE; 71 Srch = SRCH; 72 Stale = STALE; 73 TimedOut = TIMEDOUT; 74 TxtBsy = TXTBSY;
    75 XDev = XDEV; 76 NotCapable;
}

/// Why a call gives no result.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fail {
    /// The guest's to handle.
    Errno(Errno),
    /// The store was asked to stop.
    Interrupted,
    /// `proc_exit`.
    Exit(u32),
    /// Nobody reads the run's output any more.
    BrokenPipe,
    /// The run has written as much as it may: so many bytes.
    OutputLimit(u64),
    /// `proc_raise` of a signal whose default action is to end the process: the host's number.
    Killed(i32),
}

/// What a call gives.
pub(crate) type Outcome<T = ()> = Result<T, Fail>;

impl From<Errno> for Fail {
    fn from(e: Errno) -> Fail {
        Fail::Errno(e)
    }
}

impl From<rustix::io::Errno> for Fail {
    fn from(e: rustix::io::Errno) -> Fail {
        Fail::Errno(e.into())
    }
}

impl From<GuestFault> for Fail {
    fn from(_: GuestFault) -> Fail {
        Fail::Errno(Errno::Fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_numbers_keep_their_names() {
        assert_eq!(Errno::from(rustix::io::Errno::NOENT) as u16, 44);
        assert_eq!(Errno::from(rustix::io::Errno::PERM) as u16, 63);
        assert_eq!(Errno::from(rustix::io::Errno::NOTSUP) as u16, 58);
        assert_eq!(Errno::from(rustix::io::Errno::WOULDBLOCK) as u16, 6);
        assert_eq!(Errno::from(rustix::io::Errno::UNATCH) as u16, 29);
        assert_eq!(Errno::NotCapable as u16, 76);
        assert_eq!((Errno::of(1).unwrap().name(), Errno::of(76).unwrap().name()), ("2big".into(), "notcapable".into()));
        assert_eq!(Errno::of(77), None);
    }
}
