"""What a user may do: the built-in permissions, and the built-in roles that every tenant begins with."""

from enum import StrEnum


class Permission(StrEnum):
    MANAGE_USERS = "can_manage_users"
    MANAGE_ROLES = "can_manage_roles"
    EDIT_TEMPLATES = "can_edit_templates"
    UPLOAD_DATASETS = "can_upload_datasets"
    DELETE_DATASET = "can_delete_dataset"
    TRAIN_MODELS = "can_train_models"
    DELETE_MODELS = "can_delete_models"
    PREDICT = "can_predict"
    READ_DATALAKE = "can_read_datalake"
    TERMINATE_JOBS = "can_terminate_jobs"
    VIEW = "can_view"


class BuiltinRole(StrEnum):
    ADMIN = "admin"
    DATA_SCIENTIST = "data_scientist"
    ANALYST = "analyst"
    SERVICE = "service"

    @property
    def permissions(self) -> frozenset[Permission]:
        """What a new tenant's role of this name holds. A tenant may change it, but for `admin`, which holds all."""
        return _HELD[self]


_HELD = {
    BuiltinRole.ADMIN: frozenset(Permission),
    BuiltinRole.DATA_SCIENTIST: frozenset(Permission) - {Permission.MANAGE_USERS, Permission.MANAGE_ROLES},
    BuiltinRole.ANALYST: frozenset({Permission.VIEW, Permission.PREDICT, Permission.READ_DATALAKE}),
    BuiltinRole.SERVICE: frozenset({Permission.PREDICT}),
}
