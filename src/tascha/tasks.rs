//! Tasks of a room.

use super::operations::{CreateTask, ListTasks, UpdateTask};
use super::{RoomHandle, TaskId, requests, returns};

impl RoomHandle {
    /// The tasks. A task in a list has no `version`: only creating and updating tell it.
    #[doc = returns!(ListTasks)]
    pub fn tasks(&self) -> requests::ListTasks {
        self.call(ListTasks::new(&self.id))
    }

    /// Creates a task with a title of 1 to 200 characters. A room without a board answers with status 400.
    #[doc = returns!(CreateTask)]
    pub fn create_task(&self, title: impl Into<String>) -> requests::CreateTask {
        self.call(CreateTask::new(&self.id, title))
    }

    /// One task.
    pub fn task(&self, id: impl Into<TaskId>) -> TaskHandle {
        TaskHandle { room: self.clone(), id: id.into() }
    }
}

/// A task, by its room and id.
#[derive(Clone, Debug)]
pub struct TaskHandle {
    room: RoomHandle,
    id: TaskId,
}

impl TaskHandle {
    /// Changes what is set on the request and leaves the rest. `.version(…)` makes it fail with status 409 if somebody
    /// else has changed the task since; only the answers to a creation and a change have a version to base it on. After
    /// that 409, look at the task in the list, and send the change without a version if it is still wanted.
    /// `.clear_due_date()` is not the same as leaving the due date out.
    #[doc = returns!(UpdateTask)]
    pub fn update(&self) -> requests::UpdateTask {
        self.room.call(UpdateTask::new(&self.room.id, &self.id))
    }
}
