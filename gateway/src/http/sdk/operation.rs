//! The operations of the SDK (spec/vxp-api.md section 5), by the last part of their path.

/// What the answer of an operation has besides status and error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Nothing that a failure needs.
    Plain,
    /// `DocId`.
    DocId,
    /// `data`, an array.
    List,
    /// `data`, a text.
    Text,
    /// The bytes of a file instead of JSON, and nothing at all on failure.
    File,
}

macro_rules! operations {
    ($($operation:ident $path:literal $label:literal $shape:ident;)*) => {
        /// An operation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Operation {
            $(#[doc = $path] $operation,)*
        }

        impl Operation {
            /// Every operation.
            #[cfg(test)]
            pub(super) const ALL: &[Self] = &[$(Self::$operation),*];

            /// The one with this path, letter by letter.
            pub(super) fn at(path: &str) -> Option<Self> {
                match path {
                    $($path => Some(Self::$operation),)*
                    _ => None,
                }
            }

            /// Its name in metrics.
            pub(super) const fn label(self) -> &'static str {
                match self {
                    $(Self::$operation => $label,)*
                }
            }

            /// What its answers have.
            pub(super) const fn shape(self) -> Shape {
                match self {
                    $(Self::$operation => Shape::$shape,)*
                }
            }
        }
    };
}

operations! {
    GetAgenciesList "getAgenciesList" "get_agencies_list" List;
    GetAgenciesListQd20 "getAgenciesListQD20" "get_agencies_list_qd20" List;
    GetSynchronizeUnit "getSynchronizeUnit" "get_synchronize_unit" Plain;
    RegisterAgency "registerAgency" "register_agency" Plain;
    DeleteAgency "deleteAgency" "delete_agency" Plain;
    GetReceivedEdocList "getReceivedEdocList" "get_received_edoc_list" List;
    GetSentEdocList "getSentEdocList" "get_sent_edoc_list" List;
    SendEdoc "sendEdoc" "send_edoc" DocId;
    GetEdoc "getEdoc" "get_edoc" Text;
    UpdateStatus "updateStatus" "update_status" Plain;
    CountReceiveEdoc "countReceiveEdoc" "count_receive_edoc" Plain;
    CountReceiveStatus "countReceiveStatus" "count_receive_status" Plain;
    DownloadEdoc "downloadEdoc" "download_edoc" File;
    // The SDK asks for this one without any signature.
    DownloadEdoc2 "downloadEdoc2" "download_edoc2" File;
}
